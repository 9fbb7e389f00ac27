"""The simulation of many parts on machines that vanish: nothing is lost, and only what went silent is done twice."""

from pathlib import Path

from trials.many_parts import simulate


def test_nothing_is_lost_where_machines_vanish_or_go_silent(tmp_path: Path) -> None:
    found = simulate(tmp_path, parts=80, workers=8, lease_minutes=2, seed=3, fates=(0.1, 0.1))
    assert found.missing == 0
    assert found.vanished > 0
    assert 0 < found.twice <= found.silent
    assert found.hours > found.ideal_hours

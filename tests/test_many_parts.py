"""The simulation of many parts on machines that vanish: nothing is lost, and little is done twice."""

from pathlib import Path

from trials.many_parts import simulate


def test_nothing_is_lost_where_machines_vanish(tmp_path: Path) -> None:
    found = simulate(tmp_path, parts=120, workers=12, lease_minutes=10, seed=3)
    assert found.missing == 0
    assert found.vanished > 0
    assert found.twice <= found.silent
    assert found.ideal_hours < found.hours < 4 * found.ideal_hours


def test_one_that_no_longer_renews_is_taken_over_and_does_no_harm(tmp_path: Path) -> None:
    found = simulate(tmp_path, parts=60, workers=12, lease_minutes=1, seed=0)
    assert found.missing == 0

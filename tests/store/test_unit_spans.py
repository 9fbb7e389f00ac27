from pathlib import Path

from segpipe.store.unit_spans import gaps_between, runs_of, span_name, spans_of


def test_ranges_are_found_by_name_and_none_meets_another(tmp_path: Path) -> None:
    for units in (range(4, 6), range(0, 2), range(5, 9), range(8, 12)):
        (tmp_path / f"{span_name(units)}.json").touch()
    for name in ("notes.json", "000000002-000000003.txt"):
        (tmp_path / name).touch()
    assert spans_of(tmp_path, "json", 10) == [range(0, 2), range(4, 6)]
    assert spans_of(tmp_path / "none", "json", 10) == []


def test_gaps_are_what_no_range_holds() -> None:
    assert list(gaps_between([range(0, 2), range(4, 6)], 10)) == [range(2, 4), range(6, 10)]
    assert list(gaps_between([], 3)) == [range(0, 3)]
    assert list(gaps_between([range(0, 3)], 3)) == []


def test_neighbors_are_ranges() -> None:
    assert list(runs_of([0, 1, 2, 5, 7, 8])) == [range(3), range(5, 6), range(7, 9)]
    assert list(runs_of([])) == []

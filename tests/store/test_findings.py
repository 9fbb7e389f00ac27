import csv
from pathlib import Path

import pytest

from segpipe.records.finding import KEPT, MIOU, Finding, tolerated
from segpipe.store.findings import save_findings
from tests.helpers.findings import load_findings


def finding(level: float, value: float | None, measure: str = KEPT) -> Finding:
    ends = (None, None) if value is None else (value / 2, value)
    return Finding("blur", "focus", level, "px, wide", measure, value, *ends, images=3)


def test_findings_come_back_and_any_reader_of_csv_reads_them(tmp_path: Path) -> None:
    rows = [finding(1, 0.12345678), finding(2.5, None), finding(4, 1.0, MIOU)]
    save_findings(tmp_path / "probe.csv", rows)
    assert load_findings(tmp_path / "probe.csv") == rows
    with (tmp_path / "probe.csv").open(newline="") as file:
        read = list(csv.reader(file))
    assert read[0] == ["disturbance", "family", "level", "unit", "measure", "value", "low", "high", "images"]
    assert read[2] == ["blur", "focus", "2.5", "px, wide", KEPT, "", "", "", "3"]


def test_what_is_no_number_is_no_finding() -> None:
    with pytest.raises(ValueError, match="say None"):
        Finding("blur", "focus", 1, "px", KEPT, float("nan"), None, None, 3)


@pytest.mark.parametrize(
    ("values", "level"),
    [((0.9, 0.85, 0.8), 4), ((0.9, 0.7, 0.95), 1), ((0.7, 0.9, 0.9), None), ((0.9, None, 0.9), 1)],
)
def test_a_level_is_tolerated_where_all_below_it_are(values: tuple[float | None, ...], level: float | None) -> None:
    rows = [finding(at, value) for at, value in zip((1, 2, 4), values, strict=True)]
    assert tolerated([finding(1, 0.1, MIOU), *rows]) == level

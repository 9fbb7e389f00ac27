"""Findings looked up by corruption, measure and level; and hot spots."""

import numpy as np
import pytest

from segpipe.commands.probe.names import FindingTable, hot_spots, in_strip
from segpipe.records.finding import Finding


def finding(name: str, level: float, measure: str, value: float | None) -> Finding:
    return Finding(name, "color", level, "degrees", measure, value, None, None, 1)


def test_what_was_not_measured_is_not_there() -> None:
    rows = [
        finding("hue", 20, "map overlap", 0.9),
        finding("hue", 60, "map overlap", 0.5),
        finding("hue", 180, "map overlap", None),
        finding("cast", 1, "patch cosine", 0.1),
    ]
    table = FindingTable(rows)
    assert table.get("hue", "map overlap", 20) is rows[0]
    assert table.get("hue", "map overlap", 180) is None
    assert table.levels("hue", "map overlap") == rows[:2]
    assert table.strongest("hue", "map overlap") is rows[1]
    assert table.strongest("hue", "patch cosine") is None
    assert table.disturbances("map overlap") == ["hue"]
    assert table.disturbances("patch cosine") == ["cast"]


def test_hot_spots_hold_a_share_of_the_whole_map() -> None:
    by_place = np.full((4, 4), 0.25)
    by_place[0, 0], by_place[3, 3] = 5.0, 7.5
    assert hot_spots(by_place) == (2, pytest.approx(12.5 / 16))
    assert hot_spots(np.ones((4, 4))) == (0, 0.0)
    assert in_strip("dust") == "dust-strip"

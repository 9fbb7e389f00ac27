"""Tables of the report."""

from __future__ import annotations

import numpy as np

from segpipe.records.manifest import Manifest, StageRecord
from segpipe.stages.report import tables


def record(seconds: float, **summary: object) -> StageRecord:
    return StageRecord(
        key="a", artefact="a", parts={"settings": {"k": 7, "weights": None}}, summary=summary, seconds=seconds,
        finished="2026-01-02T03:04:05+00:00", versions={"torch": f"2.{seconds:g}"}, machine={"device": "cpu"},
    )  # fmt: skip


def test_confusion_is_sorted_so_that_partners_meet_on_the_diagonal() -> None:
    counts = np.array([[1, 0, 9, 0], [0, 0, 0, 0], [7, 3, 0, 0], [2, 2, 2, 0]])
    sorted_counts, rows, columns = tables.order_confusion(["a", "b", "c", "d"], counts, {"0": "c", "1": None, "2": "a"})
    assert rows == [0, 2, 3]  # b has no pixel, d no partner
    assert columns == [2, 0, 1]  # no data has no pixel
    np.testing.assert_array_equal(sorted_counts, counts[np.ix_(rows, columns)])
    assert sorted_counts[0, 0] == 9
    assert sorted_counts[1, 1] == 7


def test_confusion_keeps_no_data_where_it_holds_pixels() -> None:
    _, _, columns = tables.order_confusion(["a"], np.array([[5, 2]]), {"0": "a"})
    assert columns == [0, 1]


def test_stages_come_in_order_with_what_they_found() -> None:
    manifest = Manifest(
        stages={"mine": record(1), "index": record(4, images=3, fingerprint="f", depths={"uint8": 3}, x=[])}
    )
    rows = tables.stage_rows(manifest, ("index", "mine", "train"))
    assert [(row["name"], row["share"]) for row in rows] == [("index", 1.0), ("mine", 0.25)]
    assert rows[0]["found"] == [("images", "3"), ("depths", "uint8 3")]
    assert tables.setting_rows(manifest, ("mine",)) == [("mine", [("k", "7"), ("weights", "none")])]
    assert tables.version_rows(manifest) == [("torch", "2.1, 2.4")]
    assert tables.stage_rows(Manifest(), ("index",)) == []

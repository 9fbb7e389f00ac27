"""From what was found in a run to the page."""

from __future__ import annotations

import numpy as np

from segpipe.plots.html import ClassLabel
from segpipe.records.features import FeatureHeader
from segpipe.records.legend import plain_legend
from segpipe.records.manifest import StageRecord
from segpipe.records.palette import class_colors
from segpipe.stages.report import build as compose
from segpipe.stages.report import tables

HEADER = FeatureHeader("dino", "key", (11,), 224, 16, 384, "mean", False)


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


def test_colors_are_the_records_colors_everywhere() -> None:
    labels = compose.class_labels(plain_legend(60), None)
    assert labels[59] == ClassLabel("class 59", "#" + bytes(class_colors(60)[59].tolist()).hex())


def test_shares_are_of_all_pixels_and_empty_classes_are_named() -> None:
    labels = compose.class_labels(plain_legend(3), None)
    rows, empty = compose.share_rows(labels, np.array([20, 80, 0]), np.array([1, 2, 0]))
    assert [(row.label.name, row.share, row.images) for row in rows] == [("class 1", 0.8, 2), ("class 0", 0.2, 1)]
    assert [label.name for label in empty] == ["class 2"]
    assert compose.present({"pixels": {"0": 1, "1": 99}}, labels) == [(labels[1], 0.99)]

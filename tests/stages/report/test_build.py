"""Rows and labels of the report."""

from __future__ import annotations

import numpy as np

from segpipe.records.legend import plain_legend
from segpipe.records.palette import class_colors
from segpipe.stages.report import build
from segpipe.stages.report.page import ClassLabel


def test_colors_are_the_records_colors_everywhere() -> None:
    labels = build.class_labels(plain_legend(60), None)
    assert labels[59] == ClassLabel("class 59", "#" + bytes(class_colors(60)[59].tolist()).hex())


def test_shares_are_of_all_pixels_and_empty_classes_are_named() -> None:
    labels = build.class_labels(plain_legend(3), None)
    rows, empty = build.share_rows(labels, np.array([20, 80, 0]), np.array([1, 2, 0]))
    assert [(row.label.name, row.share, row.images) for row in rows] == [("class 1", 0.8, 2), ("class 0", 0.2, 1)]
    assert [label.name for label in empty] == ["class 2"]
    assert build.present({"pixels": {"0": 1, "1": 99}}, labels) == [(labels[1], 0.99)]

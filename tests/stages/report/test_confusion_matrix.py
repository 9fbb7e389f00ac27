"""The figure of the confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest

from segpipe.stages.report.confusion_matrix import confusion
from tests.helpers.svg import is_svg, texts


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5), (60, 61)])
def test_confusion_draws_every_name(rows: int, columns: int) -> None:
    counts = np.random.default_rng(1).integers(0, 100, (rows, columns))
    names, found = [f"row {i}" for i in range(rows)], [f"found {i}" for i in range(columns)]
    drawn = confusion(counts, names, found, row_colors=["#112233"] * rows, column_colors=[""] * columns)
    assert is_svg(drawn)
    assert {*names, *found} <= set(texts(drawn))
    assert len(drawn) < 500_000


def test_confusion_writes_percent_of_the_row() -> None:
    drawn = confusion(np.array([[30, 10], [0, 0]]), ["a", "b"], ["c", "d"], row_colors=["", ""], column_colors=["", ""])
    assert {"75", "25"} <= set(texts(drawn))


def test_names_cannot_break_the_drawing() -> None:
    name = "<script>&\"' $\\x_1$ %s 珊瑚 --> \U0001faa8"
    drawn = confusion(np.ones((1, 1), int), [name], [name], row_colors=["#123456"], column_colors=[""])
    assert is_svg(drawn)

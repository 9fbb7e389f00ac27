"""Labelled pixels are counted tile by tile as they would be on the whole image."""

from typing import Any

import numpy as np
import pytest

from segpipe.base.geometry import Size
from segpipe.labels.counting import LabelSource, count_image
from segpipe.labels.point_labels import Points
from segpipe.records.corpus import Image


@pytest.mark.parametrize("tile", [None, 4])
def test_points_are_counted_for_every_map(tile: int | None) -> None:
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 3, (9, 11))
    mask[0] = 255
    other = rng.integers(0, 2, (9, 11))
    rows, cols, labels = rng.integers(0, 9, 40), rng.integers(0, 11, 40), rng.integers(0, 2, 40)
    reader: Any = None
    source = LabelSource(
        Image("a", "a.png", Size(9, 11), "uint8", "0" * 64, 1), Points(rows, cols, labels), reader, tile
    )
    tiles = []
    maps = [(lambda box: mask[box.slices], 3), (lambda box: other[box.slices], 2)]
    counts = count_image(source, maps, classes=2, on_tile=tiles.append)
    wanted = [np.zeros((2, 4), int), np.zeros((2, 3), int)]
    for row, col, label in zip(rows, cols, labels, strict=True):
        wanted[0][label, 3 if mask[row, col] == 255 else mask[row, col]] += 1
        wanted[1][label, other[row, col]] += 1
    for found, table in zip(counts, wanted, strict=True):
        np.testing.assert_array_equal(found.total(), table)
    assert sum(len(item.labels) for item in tiles) == 40
    assert len(tiles) > (tile is not None)

"""Painting of patches: what is known of the patches of an image's crops, drawn as a tile. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box
from segpipe.commands.view.pyramid import Tile
from segpipe.ops.maps.blend import upsample
from segpipe.records.features import FeatureHeader

Float64 = npt.NDArray[np.float64]


def paint(
    tile: Tile,
    boxes: Sequence[Box],
    header: FeatureHeader,
    field: Callable[[int], npt.NDArray[Any]],
    *,
    empty: float,
    blended: bool,
) -> npt.NDArray[Any]:
    """Draw a tile, each pixel by the crop whose middle is nearest, in units of the crop's sides.

    Args:
        tile: what to draw.
        boxes: the crops of the image.
        header: gives the patch grid of a crop.
        field: of a crop, by its place among the boxes, a value for each patch (rows, cols); asked of those crops only
            that are drawn.
        empty: where no crop lies.
        blended: bilinearly between patches, for numbers; else the nearest patch, for classes.

    Returns:
        (tile.size.height, tile.size.width) float32 if blended, else uint16.
    """
    y = tile.box.top + np.minimum((np.arange(tile.size.height) + 0.5) * tile.scale, tile.box.height - 0.5)
    x = tile.box.left + np.minimum((np.arange(tile.size.width) + 0.5) * tile.scale, tile.box.width - 0.5)
    owners = nearest_crops(y, x, boxes)
    found = np.full(owners.shape, empty, np.float32 if blended else np.uint16)
    for crop in np.unique(owners[owners >= 0]).tolist():
        box = boxes[crop]
        rows, cols = _within(y, box.top, box.bottom), _within(x, box.left, box.right)
        values = field(crop)
        ys, xs = header.grid(box.size).locate(y[rows] - box.top, x[cols] - box.left)
        if blended:
            drawn = upsample(values[..., None], ys, xs)[..., 0]
        else:
            ends = values.shape[0] - 1, values.shape[1] - 1
            places = (np.rint(np.clip(at, 0, end)).astype(np.intp) for at, end in zip((ys, xs), ends, strict=True))
            drawn = values[np.ix_(*places)]
        own = owners[rows, cols] == crop
        found[rows, cols][own] = drawn[own]
    return found


def nearest_crops(y: Float64, x: Float64, boxes: Sequence[Box]) -> npt.NDArray[np.int32]:
    """Of every combination of rows (h,) and columns (w,), ascending, the crop whose middle is nearest; -1 for none."""
    owners = np.full((len(y), len(x)), -1, np.int32)
    away = np.full(owners.shape, np.inf, np.float32)
    for crop, box in enumerate(boxes):
        rows, cols = _within(y, box.top, box.bottom), _within(x, box.left, box.right)
        if rows.start == rows.stop or cols.start == cols.stop:
            continue
        down = np.abs(y[rows] - box.top - box.height / 2) / box.height
        across = np.abs(x[cols] - box.left - box.width / 2) / box.width
        far = np.maximum(down[:, None], across[None]).astype(np.float32)
        nearer = far < away[rows, cols]
        away[rows, cols][nearer] = far[nearer]
        owners[rows, cols][nearer] = crop
    return owners


def _within(places: Float64, start: int, stop: int) -> slice:
    first, last = np.searchsorted(places, (start, stop)).tolist()
    return slice(first, last)

"""Crops as a backbone sees them: scaled to the grid's content, padded to whole patches, grouped into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Grid, Size


@dataclass(frozen=True, slots=True)
class Cut:
    """One crop, ready for the backbone."""

    row: int
    """Its index in the corpus."""
    rgb: npt.NDArray[np.uint8]
    """(patch * rows, patch * cols, 3), or as many channels as the image has."""
    mirrored: npt.NDArray[np.uint8] | None
    """The same of the mirrored crop."""
    valid: npt.NDArray[np.bool_]
    """(rows, cols): at least half of the patch shows image."""


def cut(
    rgb: npt.NDArray[np.uint8],
    valid: npt.NDArray[np.bool_] | None,
    box: Box,
    grid: Grid,
    *,
    row: int,
    flip: bool,
) -> Cut:
    """Cut a box out of an image, scale it to the grid's content and pad it right and below to whole patches.

    The padding repeats the border; it counts as no image, and so do pixels that are not valid. A mirrored crop is
    mirrored before it is padded, so its content lies at the top left as well.

    Args:
        rgb: (H, W, 3), the whole image, or as many channels as it has.
        valid: (H, W), or None where all pixels hold image.
        box: the crop, inside the image.
        grid: the grid of a crop of the box's size.
        row: kept on the result.
        flip: whether the mirrored crop is wanted too.
    """
    content = _resize(rgb[box.slices], grid.content)
    shown = np.ones(content.shape[:2], np.float32)
    if valid is not None:
        shown = _resize(valid[box.slices].astype(np.float32), grid.content)
    below, right = grid.input.height - grid.content.height, grid.input.width - grid.content.width
    shares = np.pad(shown, ((0, below), (0, right))).reshape(grid.rows, grid.patch, grid.cols, grid.patch)
    border = ((0, below), (0, right), (0, 0))
    mirrored = np.pad(content[:, ::-1], border, mode="edge") if flip else None
    return Cut(row, np.pad(content, border, mode="edge"), mirrored, shares.mean(axis=(1, 3)) >= 0.5)


def _resize(array: npt.NDArray[Any], size: Size) -> npt.NDArray[Any]:
    height, width = array.shape[:2]
    if (height, width) == (size.height, size.width):
        return array
    if array.ndim == 3 and array.shape[2] != 3:  # OpenCV rounds otherwise where there are more channels than four
        parts = [_resize(array[..., i : i + 3], size) for i in range(0, array.shape[2], 3) if array.shape[2] - i >= 3]
        rest = array.shape[2] % 3
        parts += [_resize(array[..., i], size)[..., None] for i in range(array.shape[2] - rest, array.shape[2])]
        return np.concatenate(parts, axis=2)
    shrinks = size.height * size.width < height * width
    enlarge = cv2.INTER_CUBIC if array.dtype == np.uint8 else cv2.INTER_LINEAR  # a mask must not overshoot
    return np.asarray(
        cv2.resize(array, (size.width, size.height), interpolation=cv2.INTER_AREA if shrinks else enlarge)
    )


def batches(cuts: Iterable[Cut], size: int) -> Iterator[list[Cut]]:
    """Groups of at most `size` crops of the same input size, in the order in which they fill up."""
    waiting: dict[tuple[int, ...], list[Cut]] = {}
    for item in cuts:
        group = waiting.setdefault(item.rgb.shape, [])
        group.append(item)
        if len(group) == size:
            yield waiting.pop(item.rgb.shape)
    yield from waiting.values()

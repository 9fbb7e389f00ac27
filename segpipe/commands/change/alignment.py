"""Alignment: the shift that coordinates leave between two rasters of the same ground, measured window by window."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size
from segpipe.commands.change.survey import SurveyDate
from segpipe.images.corpus_reader import ReadBox, open_original
from segpipe.ops.change.ground_grid import GroundLink
from segpipe.ops.change.phase_shift import RasterShift, WindowShift, common_shift, window_shift

_SIDE, _SMALLEST = 512, 128  # pixels of a window, where the ground is large enough; else a quarter of the ground
_ALONG = 6  # windows along a side of the common ground at most
_HELD = 0.6  # share of a window that must hold image at both dates
_TURNS = 3
_CLOSE = 0.05  # pixels: a second look would change nothing
_MOST = 1 << 25  # pixels of the second raster that are read for a window

Gray = npt.NDArray[np.float32]


def measure_shift(
    first: SurveyDate, second: SurveyDate, pair: tuple[int, int], link: GroundLink
) -> tuple[GroundLink, RasterShift | None]:
    """The link with the residual shift in it, and the shift in pixels of the first raster.

    Windows are looked at again where the first look found the second raster to lie, so that large shifts too are
    measured where the windows share most.

    Args:
        first: the date whose raster gives the grid.
        second: the other date.
        pair: index of the image at each.
        link: by coordinates.

    Returns:
        The link as it was and None where the windows agree on no shift.

    Raises:
        CorpusError: an image file is gone or has changed.
    """
    images = first.corpus.images[pair[0]], second.corpus.images[pair[1]]
    found: RasterShift | None = None
    with ExitStack() as stack:
        reads = [
            stack.enter_context(open_original(survey.corpus, image))
            for survey, image in zip((first, second), images, strict=True)
        ]
        for _ in range(_TURNS):
            box = link.common(images[0].size, images[1].size)
            if box is None:
                return link, found
            step = common_shift(list(_windows(reads[0], reads[1], box, link, images[1].size)))
            if step is None:
                return link, found
            link = link.shifted(link.rows + step.rows, link.cols + step.cols)
            found = RasterShift(link.rows, link.cols, step.spread, step.used, step.windows)
            if step.length < _CLOSE:
                break
    return link, found


def _windows(read: ReadBox, other: ReadBox, box: Box, link: GroundLink, size: Size) -> Iterator[WindowShift]:
    """The shifts of windows that lie evenly over the common ground."""
    shortest = min(box.height, box.width)
    side = min(shortest, max(_SMALLEST, min(_SIDE, shortest // 4)))
    if side < 16:
        return
    for top in _starts(box.top, box.height, side):
        for left in _starts(box.left, box.width, side):
            window = Box(top, left, side, side)
            here = read(window)
            gray, held = warped(other, window, link, size, "linear")
            both = held if here.valid is None else held & here.valid
            if both.mean() < _HELD:
                continue
            own = cv2.cvtColor(here.rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
            yield window_shift(*(np.where(both, each, each[both].mean()).astype(np.float32) for each in (own, gray)))


def seen_larger(first: SurveyDate, second: SurveyDate, pair: tuple[int, int], link: GroundLink, box: Box) -> float:
    """How many times as large the network saw the ground at the second date as at the first, along a side.

    It sees every crop at about the same area: that of a small raster, looked at as a whole, or of coarser pixels is
    less of what others' crops show.

    Args:
        first: a date.
        second: the other date.
        pair: index of the image at each.
        link: of the two.
        box: of the first: the common ground.
    """
    sides = []
    for survey, image in zip((first, second), pair, strict=True):
        crop = survey.corpus.crops[survey.corpus.crops_of[image][0]].box
        sides.append(math.sqrt(crop.height * crop.width))
    larger = sides[0] * link.scale(box) / sides[1]
    return larger if math.isfinite(larger) and larger > 0 else 1.0  # where coordinates say nothing of the middle


def _starts(start: int, length: int, side: int) -> list[int]:
    count = min(_ALONG, max(1, length // side))
    return [start + round(i * (length - side) / max(1, count - 1)) for i in range(count)]


def warped(
    read: ReadBox, window: Box, link: GroundLink, size: Size, how: Literal["linear", "nearest"]
) -> tuple[Gray, npt.NDArray[np.bool_]]:
    """The second raster in gray on a window of the first, and which pixels it has there.

    Where its pixels are smaller than those of the first it is blurred to their size before.

    Args:
        read: gives boxes of the second raster.
        window: of the first.
        link: of the two.
        size: of the second raster.
        how: interpolation.

    Returns:
        (h, w) 0 to 255, and (h, w).
    """
    flags = cv2.INTER_LINEAR if how == "linear" else cv2.INTER_NEAREST
    found, there = _warp(read, window, link, size, flags, lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    return found, there


def warped_colors(
    read: ReadBox, window: Box, link: GroundLink, size: Size
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """As `warped`, in color: (h, w, 3) by cubic interpolation, and (h, w)."""
    found, there = _warp(read, window, link, size, cv2.INTER_CUBIC, lambda rgb: rgb)
    colors = found if found.ndim == 3 else np.zeros((*found.shape, 3))
    return np.asarray(np.clip(np.rint(colors), 0, 255), np.uint8), there


def _warp(
    read: ReadBox,
    window: Box,
    link: GroundLink,
    size: Size,
    flags: int,
    values: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.number]],
) -> tuple[Gray, npt.NDArray[np.bool_]]:
    rows, cols = link.places(window)
    box = box_of(rows, cols, size)
    if box is None or box.height * box.width > _MOST:
        return np.zeros(rows.shape, np.float32), np.zeros(rows.shape, np.bool_)
    pixels, finer = read(box), link.scale(window)
    seen = values(pixels.rgb).astype(np.float32)
    valid = np.ones(seen.shape[:2], np.uint8) if pixels.valid is None else pixels.valid.astype(np.uint8)
    if finer > 1.5:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), finer / 2), np.float32)
    x, y = ((places - start - 0.5).astype(np.float32) for places, start in ((cols, box.left), (rows, box.top)))
    found = cv2.remap(seen, x, y, flags, borderMode=cv2.BORDER_REPLICATE)
    there = cv2.remap(valid, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(found, np.float32), there > 0


def box_of(rows: npt.NDArray[np.float64], cols: npt.NDArray[np.float64], size: Size, *, around: int = 2) -> Box | None:
    """The box of a raster that holds some places and a few pixels around; None where they all lie outside."""
    with np.errstate(invalid="ignore"):
        inside = (rows >= 0) & (rows < size.height) & (cols >= 0) & (cols < size.width)
    if not inside.any():
        return None
    top, left = (max(0, int(values[inside].min()) - around) for values in (rows, cols))
    bottom = min(size.height, int(rows[inside].max()) + 1 + around)
    right = min(size.width, int(cols[inside].max()) + 1 + around)
    return Box(top, left, bottom - top, right - left)

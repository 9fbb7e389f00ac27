"""From patches to pixels: codes of overlapping crops become one field over the whole image, without seams."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Grid, Size

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_LEAST_WEIGHT = 1e-6  # a crop counts a little even on its own border, so no pixel is left without weight


def upsample(values: npt.NDArray[np.floating], ys: Float64, xs: Float64) -> Float32:
    """Read a grid of vectors at every combination of row and column positions, bilinearly.

    Element for element the same whatever other rows and columns are asked for with it: a field may be made in strips.

    Args:
        values: (rows, cols, d).
        ys: (h,) row positions; 0 is the center of the first row. Positions outside the grid take its border.
        xs: (w,) column positions.

    Returns:
        (h, w, d) float32.
    """
    rows, cols, _ = values.shape
    top, bottom, down = _neighbors(ys, rows)
    left, right, across = _neighbors(xs, cols)
    grid = np.asarray(values, np.float32)
    tall = _mix(grid[top], grid[bottom], down[:, None, None])
    return _mix(tall[:, left], tall[:, right], across[:, None])


def _neighbors(positions: Float64, length: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Float32]:
    inside = np.clip(positions, 0, length - 1)
    low = np.minimum(inside.astype(np.intp), max(length - 2, 0))
    return low, np.minimum(low + 1, length - 1), (inside - low).astype(np.float32)


def _mix(first: Float32, second: Float32, share: Float32) -> Float32:
    """`first` where share is 0, `second` where it is 1; overwrites both arguments to save memory."""
    second -= first
    second *= share
    first += second
    return first


def taper(points: Float64, length: float) -> Float32:
    """Weight of a crop at points `0 <= point <= length` along one side: a Hann window, positive everywhere."""
    return (np.sin(np.pi * points / length) ** 2 + _LEAST_WEIGHT).astype(np.float32)


def canvas(
    codes: Sequence[npt.NDArray[np.floating]],
    grids: Sequence[Grid],
    boxes: Sequence[Box],
    *,
    image: Size,
    out: Size,
    rows: range | None = None,
    mirrored: Sequence[npt.NDArray[np.floating]] | None = None,
) -> Float32:
    """Blend the codes of an image's crops into one field.

    Every canvas pixel is located exactly in every crop that holds its center, so a canvas smaller than the image
    shifts nothing. Where crops overlap they are averaged with weights that fall off towards each crop's border.

    Args:
        codes: for each crop (grid.rows, grid.cols, d).
        grids: for each crop its patch grid.
        boxes: for each crop its box in image pixels; together they cover the image.
        image: size of the image.
        out: size of the canvas, the image's shape at any scale.
        rows: canvas rows to make; all where None. Strips are equal to the same rows of the whole.
        mirrored: for each crop the codes of its left-right mirrored pixels, as the network gave them (not mirrored
            back); averaged with `codes` half and half.

    Returns:
        (len(rows), out.width, d) float32.

    Raises:
        ValueError: the boxes leave a pixel uncovered, or codes do not fit their grids.
    """
    rows = range(out.height) if rows is None else rows
    y = (np.arange(rows.start, rows.stop) + 0.5) * image.height / out.height
    x = (np.arange(out.width) + 0.5) * image.width / out.width
    total, covered = blend(codes, grids, boxes, y, x, mirrored=mirrored)
    if not covered:
        raise ValueError("the boxes do not cover the image")
    return total


def blend(
    codes: Sequence[npt.NDArray[np.floating]],
    grids: Sequence[Grid],
    boxes: Sequence[Box],
    y: Float64,
    x: Float64,
    *,
    mirrored: Sequence[npt.NDArray[np.floating]] | None = None,
) -> tuple[Float32, bool]:
    """The blended codes at every combination of rows and columns of an image.

    Args:
        codes: as of `canvas`, as are `grids`, `boxes` and `mirrored`.
        grids: for each crop its patch grid.
        boxes: for each crop its box.
        y: (h,) rising rows in image pixels; the center of the first row of pixels is 0.5.
        x: (w,) rising columns.
        mirrored: codes of the mirrored crops.

    Returns:
        (h, w, d) float32, zero where no crop lies, and whether crops lie everywhere.
    """
    total = np.zeros((len(y), len(x), codes[0].shape[-1]), np.float32)
    weights = np.zeros((len(y), len(x), 1), np.float32)
    for i, (grid, box) in enumerate(zip(grids, boxes, strict=True)):
        down, across = _span(y, box.top, box.height), _span(x, box.left, box.width)
        inner_y, inner_x = y[down] - box.top, x[across] - box.left
        weight = (taper(inner_y, box.height)[:, None] * taper(inner_x, box.width))[..., None]
        field = _read(codes[i], grid, inner_y, inner_x)
        if mirrored is not None:
            field += _read(mirrored[i], grid, inner_y, box.width - inner_x)
            field *= 0.5
        field *= weight
        total[down, across] += field
        weights[down, across] += weight
    covered = bool(weights.all())
    if not covered:
        weights[weights == 0] = 1
    total /= weights
    return total, covered


def _span(points: Float64, start: int, length: int) -> slice:
    """Which of the rising `points` lie in [start, start + length)."""
    first, last = np.searchsorted(points, (start, start + length))
    return slice(int(first), int(last))


def _read(codes: npt.NDArray[np.floating], grid: Grid, y: Float64, x: Float64) -> Float32:
    if codes.shape[:2] != (grid.rows, grid.cols):
        raise ValueError(f"codes of shape {codes.shape} do not fit a grid of {grid.rows} x {grid.cols} patches")
    return upsample(codes, *grid.locate(y, x))

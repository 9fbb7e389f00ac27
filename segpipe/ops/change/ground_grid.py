"""Where the pixels of one raster lie in another one of the same ground, by the coordinates of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size
from segpipe.records.geo import Geo

Float64 = npt.NDArray[np.float64]
Move = Callable[[Float64, Float64], tuple[Float64, Float64]]

_STEP = 32  # pixels between places that are reprojected; those between are interpolated
_LOOK = 64  # places along a side by which the common ground is found


@dataclass(frozen=True, slots=True)
class GroundLink:
    """From pixels of a first raster to pixels of a second one."""

    first: Geo | None
    """None for both: pixels of one number show the same place."""
    second: Geo | None
    rows: float = 0.0
    """Residual shift in pixels of the first raster: what lies at row r in it lies at r + rows by coordinates."""
    cols: float = 0.0

    def shifted(self, rows: float, cols: float) -> GroundLink:
        """The same with this residual shift."""
        return replace(self, rows=rows, cols=cols)

    def places(self, box: Box) -> tuple[Float64, Float64]:
        """Where the centers of a box's pixels lie in the second raster: rows and columns (h, w), from its corner.

        Where the coordinate systems differ, points 32 pixels apart are reprojected and those between interpolated,
        which is right to some thousandths of a pixel.
        """
        rows, cols = _centers(box.top, box.height), _centers(box.left, box.width)
        move = _mover(self.first, self.second)
        if move is None:
            down, across = np.meshgrid(rows, cols, indexing="ij")
            return self._second_pixels(down, across, None)
        coarse = [_lattice(values) for values in (rows, cols)]
        down, across = np.meshgrid(coarse[0], coarse[1], indexing="ij")
        found = self._second_pixels(down, across, move)
        down, across = _weights(rows, coarse[0]), _weights(cols, coarse[1])
        return down @ found[0] @ across.T, down @ found[1] @ across.T

    def _second_pixels(self, rows: Float64, cols: Float64, move: Move | None) -> tuple[Float64, Float64]:
        rows, cols = rows + self.rows, cols + self.cols
        if self.first is None or self.second is None:
            return rows, cols
        a, b, c, d, e, f = self.first.transform
        x, y = a * cols + b * rows + c, d * cols + e * rows + f
        if move is not None:
            x, y = move(x, y)
        a, b, c, d, e, f = self.second.transform
        x, y, scale = x - c, y - f, a * e - b * d
        return (a * y - d * x) / scale, (e * x - b * y) / scale

    def common(self, first: Size, second: Size) -> Box | None:
        """The box of the first raster in which the second one lies too; None where they share no ground."""
        rows, cols = (np.linspace(0, length, _LOOK + 1) for length in (first.height, first.width))
        grid = np.meshgrid(rows, cols, indexing="ij")
        down, across = self._second_pixels(*grid, _mover(self.first, self.second))
        with np.errstate(invalid="ignore"):  # places that no coordinates of the second system reach are infinite
            met = (down > 0) & (down < second.height) & (across > 0) & (across < second.width)
        if not met.any():
            return None
        held = [np.flatnonzero(met.any(axis=axis)) for axis in (1, 0)]
        ends = [
            (int(values[max(0, at[0] - 1)]), int(np.ceil(values[min(_LOOK, at[-1] + 1)])))
            for values, at in zip((rows, cols), held, strict=True)
        ]
        (top, bottom), (left, right) = ends
        return Box(top, left, max(1, bottom - top), max(1, right - left))

    def scale(self, box: Box) -> float:
        """Pixels of the second raster along the side of one of the first, in the middle of a box."""
        middle = Box(box.top + box.height // 2, box.left + box.width // 2, 1, 1)
        here = self.places(middle)
        move = _mover(self.first, self.second)
        at = np.array([[middle.top + 1.5]]), np.array([[middle.left + 1.5]])
        there = self._second_pixels(*at, move)
        return float(np.hypot(there[0] - here[0], there[1] - here[1])[0, 0] / np.sqrt(2))


def linkable(first: Geo | None, second: Geo | None) -> bool:
    """Whether coordinates say where the pixels of one raster lie in the other: both name a system, or neither does."""
    return first is not None and second is not None and bool(first.crs) == bool(second.crs)


def _mover(first: Geo | None, second: Geo | None) -> Move | None:
    """From coordinates of one system to those of the other; None where they are the same."""
    if first is None or second is None or first.crs == second.crs:
        return None
    import rasterio.warp  # brings GDAL, which takes a moment
    from rasterio.crs import CRS

    known = [CRS.from_wkt(geo.crs) for geo in (first, second)]
    if known[0] == known[1]:
        return None

    def move(x: Float64, y: Float64) -> tuple[Float64, Float64]:
        found = rasterio.warp.transform(known[0], known[1], x.ravel().tolist(), y.ravel().tolist())
        return np.reshape(found[0], x.shape), np.reshape(found[1], y.shape)

    return move


def _centers(start: int, length: int) -> Float64:
    return np.arange(start, start + length, dtype=np.float64) + 0.5


def _lattice(values: Float64) -> Float64:
    """Some of the values in even steps, the first and the last among them; two at least."""
    count = max(2, 1 + -(-(len(values) - 1) // _STEP))
    end = values[-1] if len(values) > 1 else values[0] + 1
    return np.linspace(values[0], end, count)


def _weights(values: Float64, coarse: Float64) -> Float64:
    """(values, coarse) the weights of linear interpolation."""
    place = (values - coarse[0]) / (coarse[1] - coarse[0])
    at = np.clip(place.astype(np.int64), 0, len(coarse) - 2)
    found = np.zeros((len(values), len(coarse)))
    rows = np.arange(len(values))
    found[rows, at], found[rows, at + 1] = 1 - (place - at), place - at
    return found

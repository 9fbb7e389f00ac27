"""What a label raster says of itself: its no-data value, and where its pixels lie, in pixels of its image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.crs
import rasterio.errors
from rasterio import Affine

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.shortage import raise_shortage
from segpipe.base.shown import shorten
from segpipe.images.decoding import quiet
from segpipe.images.rasters import GDAL_OPTIONS
from segpipe.records.corpus import Image
from segpipe.records.geo import Geo

UNLABELLED = -1
"""Value of pixels without a label."""
_OFF = 0.1
"""Pixels that grids may lie apart and still be one: coordinates are rounded when files are written."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the pixels of an image lie in a label raster: the same grid, perhaps moved by whole pixels or mirrored."""

    size: Size
    """Of the label raster."""
    row: tuple[int, int] = (0, 1)
    """The label row of the image's first row, and the step from row to row, 1 or -1."""
    col: tuple[int, int] = (0, 1)
    """The same of columns."""
    nodata: float | None = None
    """Value that the file declares to be no data."""
    aligned: bool = False
    """Whether the place is by coordinates; else the raster must be as large as the image."""

    def read(self, box: Box, stored: Callable[[Box], npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
        """Labels (h, w) of a box of the image, `UNLABELLED` where the raster does not reach.

        Args:
            box: pixels of the image.
            stored: from a box of the label raster to what it holds.
        """
        found = np.full((box.height, box.width), UNLABELLED, np.int32)
        top, bottom, rows = _common(self.row, box.top, box.height, self.size.height)
        left, right, cols = _common(self.col, box.left, box.width, self.size.width)
        if top < bottom and left < right:
            part = stored(Box(top, left, bottom - top, right - left))
            found[rows, cols] = part[:: self.row[1], :: self.col[1]]
        return found


def _common(place: tuple[int, int], start: int, length: int, most: int) -> tuple[int, int, slice]:
    """Label rows first to last + 1 of some rows of the image, as far as there are any, and where they lie among them.

    >>> _common((0, 1), 2, 5, 4), _common((9, -1), 0, 4, 8)
    ((2, 4, slice(0, 2, None)), (6, 8, slice(2, 4, None)))
    """
    first, step = place
    ends = first + step * start, first + step * (start + length - 1)
    low, high = max(0, min(ends)), min(most, max(ends) + 1)
    begin = low - ends[0] if step == 1 else ends[0] - (high - 1)
    return low, high, slice(begin, begin + max(0, high - low))


def place_labels(path: Path, image: Image, size: Size) -> Placement:
    """Where the labels of a file lie in their image, by the coordinates of both, and its no-data value.

    Files that say nothing of either, and images without coordinates, are taken row by row and column by column.

    Args:
        path: the label file, a TIFF where it is to say something.
        image: the image that it belongs to.
        size: of the label file; those without coordinates are as large as the image.

    Raises:
        UsageError: both have coordinates, and the grids do not fit: another system, another size of pixels, a shift by
            parts of pixels, or no pixel in common; names both.
    """
    geo, nodata = _said(path)
    if geo is None or image.geo is None:
        return Placement(size, nodata=nodata)
    if geo.crs and image.geo.crs and not _same_system(geo.crs, image.geo.crs):
        raise UsageError(
            f"{path}: labels in {_system(geo.crs)} for {image.path} in {_system(image.geo.crs)}; bring the labels to "
            "the image's grid (gdalwarp -r near)"
        )
    found = _aligned(geo, image.geo, image.size)
    if found is None:
        raise UsageError(
            f"{path}: labels of {_grid(geo)} for {image.path} of {_grid(image.geo)}: no whole pixels apart, or not of "
            "one size; labels are never resampled: bring them to the image's grid (gdalwarp -r near)"
        )
    placed = Placement(size, *found, nodata, aligned=True)
    rows = _common(placed.row, 0, image.size.height, size.height)
    cols = _common(placed.col, 0, image.size.width, size.width)
    if rows[0] >= rows[1] or cols[0] >= cols[1]:
        raise UsageError(
            f"{path}: labels of {_grid(geo)} share no pixel with {image.path} of {_grid(image.geo)}; give the labels "
            "of this image"
        )
    return placed


def is_moved(path: Path, image: Image) -> bool:
    """Whether labels that `place_labels` places belong to other pixels than those in the same rows and columns."""
    geo, _ = _said(path)
    return geo is not None and image.geo is not None and _aligned(geo, image.geo, image.size) != ((0, 1), (0, 1))


def _said(path: Path) -> tuple[Geo | None, float | None]:
    """Coordinates and no-data value of a TIFF."""
    with path.open("rb") as file:
        if file.read(2) not in (b"II", b"MM"):
            return None, None
    try:
        with rasterio.Env(**GDAL_OPTIONS), quiet(), rasterio.open(path, driver="GTiff") as dataset:
            transform, nodata = dataset.transform, dataset.nodata
            crs = "" if dataset.crs is None else dataset.crs.to_wkt()
    except (OSError, rasterio.errors.RasterioError) as error:
        raise_shortage(path, error)
        return None, None  # what Pillow reads all the same has no coordinates; else reading it says what is wrong
    a, b, _, d, e, _ = transform[:6]
    plain = transform == Affine.identity() or a * e == b * d  # none, or one that maps pixels onto a line
    return None if plain else Geo(crs, tuple(transform)[:6]), nodata


def _aligned(labels: Geo, image: Geo, whole: Size) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Placement of rows and columns of the image in the labels; None where the grids do not fit."""
    inverse, ends = _inverse(labels), [(0, 0), (whole.height, 0), (0, whole.width), (whole.height, whole.width)]
    at = np.array([inverse(*image.at(row, col)) for row, col in ends])  # (row, col) of the labels
    found = []
    for axis in (0, 1):
        step = 1 if at[-1][axis] > at[0][axis] else -1
        first = round(float(at[0][axis]))
        wanted = np.array([first + step * corner[axis] for corner in ends])
        if np.abs(at[:, axis] - wanted).max() > _OFF:
            return None
        found.append((first if step == 1 else first - 1, step))
    return found[0], found[1]


def _inverse(geo: Geo) -> Callable[[float, float], tuple[float, float]]:
    """From coordinates to row and column."""
    a, b, c, d, e, f = geo.transform
    area = a * e - b * d

    def to_pixel(x: float, y: float) -> tuple[float, float]:
        return (a * (y - f) - d * (x - c)) / area, (e * (x - c) - b * (y - f)) / area

    return to_pixel


def _same_system(one: str, two: str) -> bool:
    first, second = (rasterio.crs.CRS.from_wkt(text) for text in (one, two))
    codes = first.to_epsg(), second.to_epsg()
    return codes[0] == codes[1] if None not in codes else bool(first == second)


def _system(wkt: str) -> str:
    crs = rasterio.crs.CRS.from_wkt(wkt)
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else shorten(wkt.split('"')[1] if '"' in wkt else wkt, 40)


def _grid(geo: Geo) -> str:
    """Where the first pixel lies and how large it is."""
    a, _, c, _, e, f = geo.transform
    return f"pixels {a:.10g} x {e:.10g} from {c:.10g}, {f:.10g}"


def meaning(stored: npt.NDArray[Any], unlabelled: int | None, nodata: float | None) -> npt.NDArray[np.int32]:
    """Stored values as int32, `UNLABELLED` where they are one of the two values that mean no label."""
    values = stored.astype(np.int32)
    for empty in (unlabelled, nodata):
        if empty is not None:
            values[stored == empty] = UNLABELLED
    return values

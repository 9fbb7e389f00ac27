"""Class maps as polygons: exact outlines of pixels, fewer corners where asked for, placed on the earth."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from segpipe.stages.export.vector.polygonize import Rings, trace
from segpipe.stages.export.vector.regions import Regions

Float64 = npt.NDArray[np.float64]
Polygons = npt.NDArray[Any]
"""(n,) shapely polygons."""

IMAGE_TRANSFORM = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
"""Pixels to coordinates where nothing says where an image lies: x = column, y = -row, as QGIS shows such an image."""


def outline(regions: Regions) -> Polygons:
    """The polygon of every region, in pixels: x = column, y = row, corners between pixels; valid, holes included.

    Memory while it works: 60 bytes a corner.
    """
    return polygons_of(trace(regions.labels))


def polygons_of(rings: Rings) -> Polygons:
    """The polygon of every region that has rings among these, as of `outline`."""
    ring_of = np.repeat(np.arange(len(rings.regions)), np.diff(rings.starts))
    made = shapely.linearrings(rings.corners.astype(np.float64), indices=ring_of)
    return np.asarray(shapely.polygons(made, indices=np.unique(rings.regions, return_inverse=True)[1]))


def simplify(polygons: Polygons, tolerance: float) -> Polygons:
    """Drop corners from the borders between polygons of a coverage, the same on both sides: no gaps, no overlaps.

    Corners that cut off a triangle of less than `tolerance` squared go first (Visvalingam and Whyatt 1993, as GEOS
    does it for coverages); the outer edge of the coverage stays as it is, and so do points where three polygons meet.

    Args:
        polygons: polygons that share their borders corner for corner, as those of `outline`.
        tolerance: in the polygons' units; 0 drops nothing.
    """
    if tolerance <= 0 or not len(polygons):
        return polygons
    return np.asarray(shapely.coverage_simplify(polygons, tolerance, simplify_boundary=False))


def place(polygons: Polygons, transform: tuple[float, float, float, float, float, float]) -> Polygons:
    """Polygons in pixels to coordinates; outer rings go round against the clock, holes with it.

    Args:
        polygons: x = column, y = row.
        transform: a to f of x = a col + b row + c, y = d col + e row + f.
    """
    a, b, c, d, e, f = transform

    def move(points: Float64) -> Float64:
        col, row = points.T
        return np.stack([a * col + b * row + c, d * col + e * row + f], axis=1)

    return np.asarray(shapely.orient_polygons(shapely.transform(polygons, move), exterior_cw=False))

"""Geodesy: what coordinates mean in meters; areas and lengths on the ellipsoid, of polygons and of a raster's pixel.

Degrees and web Mercator (EPSG:3857), which stretches areas fourfold at 60 degrees, are measured on the ellipsoid. Other
projected systems are measured in their own plane, which for UTM and national grids is right to about 0.1%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from segpipe.base.geometry import Size
from segpipe.records.geo import Geo

Float64 = npt.NDArray[np.float64]

_WEB_MERCATOR = "Popular Visualisation Pseudo Mercator"  # EPSG:1024, the conversion of EPSG:3857
_LENGTHS = {"metre": 1.0, "meter": 1.0, "m": 1.0}
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)


@dataclass(frozen=True, slots=True)
class Coordinates:
    """What a coordinate reference system says of its numbers."""

    name: str
    code: str
    """Authority and code, such as `EPSG:4326`; empty where it has none."""
    projjson: Mapping[str, Any] | None
    """The system as PROJJSON (https://proj.org/specifications/projjson.html); None where nothing is known."""
    unit: float | None
    """Meters per unit, or radians where there is an ellipsoid; None where the unit is no length."""
    ellipsoid: tuple[float, float] | None
    """Semi-axes of the ellipsoid in meters where numbers are degrees or web Mercator, None where they are lengths."""
    web_mercator: bool = False
    """Whether the numbers are meters of EPSG:3857: longitude and Mercator's stretched latitude times the major axis."""


def coordinates_of(wkt: str) -> Coordinates:
    """Read a coordinate reference system.

    Args:
        wkt: as WKT; empty or unreadable: nothing is known of the numbers.
    """
    import rasterio.crs  # brings GDAL, which takes a moment
    from rasterio.errors import CRSError

    try:
        crs = rasterio.crs.CRS.from_wkt(wkt) if wkt else None
        known = crs.to_dict(projjson=True) if crs else None
    except CRSError:
        known = None
    if not known:
        return Coordinates("", "", None, None, None)
    whole, known = known, _horizontal(known)
    authority = crs.to_authority() if crs else None
    unit = known["coordinate_system"]["axis"][0]["unit"] if "coordinate_system" in known else ""
    if known.get("conversion", {}).get("method", {}).get("name") == _WEB_MERCATOR:
        code, shape = ":".join(authority or ()), _ellipsoid(known["base_crs"])
        return Coordinates(str(known["name"]), code, whole, _size(unit, None), shape, web_mercator=shape is not None)
    ellipsoid = _ellipsoid(known) if known["type"] == "GeographicCRS" else None
    size = _size(unit, math.radians(1) if ellipsoid else None)
    return Coordinates(str(known["name"]), ":".join(authority or ()), whole, size, ellipsoid if size else None)


def _horizontal(known: Mapping[str, Any]) -> Mapping[str, Any]:
    while known.get("type") in ("CompoundCRS", "BoundCRS"):
        known = known["components"][0] if known["type"] == "CompoundCRS" else known["source_crs"]
    return known


def _size(unit: str | Mapping[str, Any], degree: float | None) -> float | None:
    if not isinstance(unit, str):
        fits = unit.get("type") == ("AngularUnit" if degree else "LinearUnit") and unit["name"] != "unknown"
        return float(unit["conversion_factor"]) if fits else None
    return degree if degree and unit == "degree" else None if degree else _LENGTHS.get(unit)


def _ellipsoid(known: Mapping[str, Any]) -> tuple[float, float] | None:
    datum = known.get("datum") or known.get("datum_ensemble") or {}
    shape = datum.get("ellipsoid")
    if shape is None:
        return None
    if "radius" in shape:
        return (_meters(shape["radius"]),) * 2
    major = _meters(shape["semi_major_axis"])
    if "semi_minor_axis" in shape:
        return major, _meters(shape["semi_minor_axis"])
    inverse = float(shape["inverse_flattening"])
    return major, major * (1 - 1 / inverse) if inverse else major


def _meters(length: float | Mapping[str, Any]) -> float:
    if isinstance(length, Mapping):
        return float(length["value"]) * (_size(length["unit"], None) or 1.0)
    return float(length)


def measure(polygons: npt.NDArray[Any], coordinates: Coordinates) -> tuple[Float64, Float64]:
    """Areas in square meters and lengths of all rings in meters.

    Lengths are scaled by their unit. Degrees and web Mercator are measured on the ellipsoid, edges being straight in
    the coordinates, as pixels' are: the zone between the equator and latitude phi has the area F(phi) per radian
    (Snyder 1987, Map Projections, eq. 3-12), and the area is the sum of F over the edges' longitudes.

    Args:
        polygons: (n,) shapely polygons, outer rings against the clock, as `polygons.place` makes them.
        coordinates: what their numbers mean; `unit` must be known.

    Raises:
        ValueError: the unit is not known.
    """
    if coordinates.unit is None:
        raise ValueError(f"coordinates {coordinates.name!r} have no length that is known")
    if coordinates.ellipsoid is None:
        scale = coordinates.unit
        return shapely.area(polygons) * scale**2, shapely.length(polygons) * scale
    major, minor = coordinates.ellipsoid
    rings, owner = shapely.get_rings(polygons, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    points = points * (coordinates.unit / major if coordinates.web_mercator else coordinates.unit)
    edge = np.flatnonzero(ring[1:] == ring[:-1])
    start, step, owner = points[edge], points[edge + 1] - points[edge], owner[ring[edge]]
    squared = 1 - (minor / major) ** 2
    area, length = np.zeros(len(edge)), np.zeros(len(edge))
    for node, weight in zip(_NODES, _WEIGHTS / 2, strict=True):
        north = start[:, 1] + (node + 1) / 2 * step[:, 1]
        sine = np.tanh(north) if coordinates.web_mercator else np.sin(north)
        area -= weight * step[:, 0] * _zone(sine, minor, squared)
        along, across = _lengths(sine, major, squared)
        if coordinates.web_mercator:  # a step of Mercator's latitude is so much of a step of latitude
            along = along * np.sqrt(1 - sine**2)
        length += weight * np.hypot(across * step[:, 0], along * step[:, 1])
    count = len(polygons)
    return np.bincount(owner, area, count).astype(float), np.bincount(owner, length, count).astype(float)


def _lengths(sine: Any, major: float, squared: float) -> tuple[Any, Any]:
    """Meters of one radian of latitude and one of longitude: the radii of curvature M, and N times the cosine."""
    bent = 1 - squared * sine**2
    return major * (1 - squared) / bent**1.5, major * np.sqrt(np.maximum(0, 1 - sine**2) / bent)


def pixel_area(geo: Geo, size: Size) -> float | None:
    """Square meters of ground that the pixel in the middle of a raster shows.

    Args:
        geo: of the raster.
        size: of the raster.

    Returns:
        None where the file names no coordinate system, or one whose unit is no length on the ground.
    """
    coordinates = coordinates_of(geo.crs)
    if coordinates.unit is None:
        return None
    a, b, _, d, e, _ = geo.transform
    square = abs(a * e - b * d) * coordinates.unit**2
    if coordinates.ellipsoid is None:
        return float(square)
    (major, minor), (_, y) = coordinates.ellipsoid, geo.at(size.height / 2, size.width / 2)
    north = y * coordinates.unit
    squared = 1 - (minor / major) ** 2
    if coordinates.web_mercator:
        sine = math.tanh(north / major)
        along, across = _lengths(sine, major, squared)
        return float(square * along * across * math.sqrt(1 - sine**2) / major**2)
    if not -math.pi / 2 <= north <= math.pi / 2:
        return None
    along, across = _lengths(math.sin(north), major, squared)
    return float(square * along * across)


def _zone(sine: Float64, minor: float, squared: float) -> Float64:
    """Area between the equator and a latitude, per radian of longitude."""
    if squared < 1e-12:
        return minor**2 * sine
    e = math.sqrt(squared)
    return minor**2 / 2 * (sine / (1 - squared * sine**2) + np.arctanh(e * sine) / e)

"""What coordinates mean in meters: units of a coordinate reference system, areas and lengths on the ground.

Degrees and web Mercator (EPSG:3857) are measured on the ellipsoid. Any other projected system is measured in its plane,
scaled by its unit: within some tenths of a percent of the ground for UTM and national grids, far off for other Mercator
projections and for maps of the world.
"""

from __future__ import annotations

import functools
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

_LENGTHS = {"metre": 1.0, "meter": 1.0, "m": 1.0}
_WEB_MERCATOR = 1024
"""EPSG's number of the projection method Popular Visualisation Pseudo Mercator."""
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
    """Semi-axes in meters of the ellipsoid that is measured on; None where the numbers are measured in their plane."""
    northing: float | None = None
    """Web Mercator alone: its y at the equator in meters (0 but for systems that people make)."""


@functools.lru_cache(maxsize=64)  # the images of a run share their systems
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
    degrees, northing = known["type"] == "GeographicCRS", _web_northing(known)
    globe = known if degrees else known["base_crs"] if northing is not None else None
    ellipsoid = _ellipsoid(globe) if globe else None
    size = _size(unit, math.radians(1) if degrees and ellipsoid else None)
    return Coordinates(
        str(known["name"]), ":".join(authority or ()), whole, size, ellipsoid if size else None, northing
    )


def _web_northing(known: Mapping[str, Any]) -> float | None:
    """The false northing of web Mercator in meters; None of other systems."""
    method = known.get("conversion", {}).get("method", {})
    if method.get("id", {}).get("code") != _WEB_MERCATOR and "Pseudo Mercator" not in method.get("name", ""):
        return None
    rows = (row for row in known["conversion"]["parameters"] if row["name"] == "False northing")
    return next((float(row["value"]) * (_size(row.get("unit", "metre"), None) or 1.0) for row in rows), 0.0)


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

    Degrees and web Mercator are measured on the ellipsoid, edges being straight in these coordinates, as pixels' are:
    the zone between the equator and latitude phi has the area F(phi) per radian (Snyder 1987, Map Projections, eq.
    3-12), and the area is the sum of F over the edges' longitudes. Other lengths are scaled by their unit.

    Args:
        polygons: (n,) shapely polygons, outer rings against the clock, as `polygons.place` makes them.
        coordinates: what their numbers mean; `unit` must be known.

    Returns:
        (n,) areas and (n,) lengths.

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
    points = points * coordinates.unit
    if coordinates.northing is not None:  # radians east, and what a sphere of the major axis would call psi
        points = (points - (0.0, coordinates.northing)) / major
    edge = np.flatnonzero(ring[1:] == ring[:-1])
    start, step, owner = points[edge], points[edge + 1] - points[edge], owner[ring[edge]]
    squared = 1 - (minor / major) ** 2
    area, length = np.zeros(len(edge)), np.zeros(len(edge))
    for node, weight in zip(_NODES, _WEIGHTS / 2, strict=True):
        at = start[:, 1] + (node + 1) / 2 * step[:, 1]
        if coordinates.northing is None:
            sine, north = np.sin(at), step[:, 1]
        else:  # psi = atanh(sin latitude), so d latitude = cos latitude d psi
            sine, north = np.tanh(at), step[:, 1] / np.cosh(at)
        area -= weight * step[:, 0] * _zone(sine, minor, squared)
        bent = 1 - squared * sine**2
        across = major * np.sqrt(np.maximum(0, 1 - sine**2) / bent) * step[:, 0]
        length += weight * np.hypot(across, major * (1 - squared) / bent**1.5 * north)
    count = len(polygons)
    return np.bincount(owner, area, count).astype(float), np.bincount(owner, length, count).astype(float)


def _zone(sine: Float64, minor: float, squared: float) -> Float64:
    """Area between the equator and a latitude, per radian of longitude."""
    if squared < 1e-12:
        return minor**2 * sine
    e = math.sqrt(squared)
    return minor**2 / 2 * (sine / (1 - squared * sine**2) + np.arctanh(e * sine) / e)


def pixel_area(geo: Geo, size: Size) -> float | None:
    """Square meters of ground that a pixel of a raster shows: the mean of all its pixels, as `measure` has it.

    Args:
        geo: of the raster.
        size: of the raster.

    Returns:
        None where the file names no coordinate system, or one whose unit is no length on the ground, and where
        degrees are no latitudes.
    """
    coordinates = coordinates_of(geo.crs)
    if coordinates.unit is None:
        return None
    if coordinates.ellipsoid is None:
        a, b, _, d, e, _ = geo.transform
        return float(abs(a * e - b * d) * coordinates.unit**2)
    corners = [geo.at(row, col) for row, col in ((0, 0), (size.height, 0), (size.height, size.width), (0, size.width))]
    if coordinates.northing is None and max(abs(y) for _, y in corners) * coordinates.unit > math.pi / 2 + 1e-9:
        return None
    outline = shapely.orient_polygons(np.array([shapely.Polygon(corners)]), exterior_cw=False)
    return float(measure(outline, coordinates)[0][0]) / (size.height * size.width)

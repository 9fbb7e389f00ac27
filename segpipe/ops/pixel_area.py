"""How much ground a pixel shows, from what its file says of where it lies."""

from __future__ import annotations

import math

from segpipe.base.geometry import Size
from segpipe.records.geo import Geo

_RADIUS = 6378137.0  # of the sphere of web maps, meters


def pixel_area(geo: Geo, size: Size) -> float | None:
    """Square meters of ground that a pixel in the middle of a raster shows.

    Args:
        geo: of the raster.
        size: of the raster.

    Returns:
        None where the file names no coordinate system, or one whose unit is no length on the ground.
    """
    import rasterio.crs  # brings GDAL: only rasters pay for it
    import rasterio.errors

    if not geo.crs:
        return None
    try:
        crs = rasterio.crs.CRS.from_wkt(geo.crs)
    except rasterio.errors.CRSError:
        return None
    a, b, _, d, e, _ = geo.transform
    square = abs(a * e - b * d)
    _, y = geo.at(size.height / 2, size.width / 2)
    if crs.is_geographic:
        if not -90 <= y <= 90:
            return None
        along, across = degree_lengths(y)
        return square * along * across
    if not crs.is_projected:
        return None
    unit = crs.linear_units_factor[1]
    if crs.to_epsg() == 3857:  # web maps stretch what lies far from the equator
        latitude = 2 * math.atan(math.exp(y / _RADIUS)) - math.pi / 2
        square *= math.cos(latitude) ** 2
    return float(square * unit**2)


def degree_lengths(latitude: float) -> tuple[float, float]:
    """Meters of one degree of latitude and one of longitude on the ellipsoid WGS 84.

    From its radii of curvature M = a (1 - e2) / (1 - e2 sin2)^1.5 and N = a / (1 - e2 sin2)^0.5.

    >>> [round(length) for length in degree_lengths(0)], [round(length) for length in degree_lengths(45)]
    ([110574, 111319], [111132, 78847])
    """
    a, e2 = 6378137.0, 0.00669437999014
    phi = math.radians(latitude)
    inner = 1 - e2 * math.sin(phi) ** 2
    along = a * (1 - e2) / inner**1.5
    across = a / inner**0.5 * math.cos(phi)
    return math.radians(along), math.radians(across)

"""Areas and lengths on the ellipsoid as PROJ has them: the yardstick of `ops.geodesy`."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pyproj
import shapely


def geodesic(
    polygon: Any, geod: pyproj.Geod, degrees: Callable[[np.ndarray], np.ndarray], parts: int
) -> tuple[float, float]:
    """Area and length of all rings, their edges cut into `parts` short geodesics (Karney).

    Args:
        polygon: of shapely, its outer ring against the clock, holes with it.
        geod: the ellipsoid.
        degrees: brings points (n, 2) of the polygon's coordinates to longitude and latitude.
        parts: of every edge.
    """
    area, length, t = 0.0, 0.0, np.arange(parts)[:, None] / parts
    for ring in (polygon.exterior, *polygon.interiors):
        points = shapely.get_coordinates(ring)
        places = np.concatenate([a + t * (b - a) for a, b in itertools.pairwise(points)])
        signed, around = geod.polygon_area_perimeter(*degrees(places).T)
        area, length = area + signed, length + around
    return area, length

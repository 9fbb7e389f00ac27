"""How much ground a pixel shows."""

import numpy as np
import pytest
from rasterio.crs import CRS
from rasterio.warp import transform

from segpipe.base.geometry import Size
from segpipe.ops.pixel_area import degree_lengths, pixel_area
from segpipe.records.geo import Geo

SIZE = Size(100, 200)


def wkt(code: int) -> str:
    return str(CRS.from_epsg(code).to_wkt())


def test_meters_and_feet() -> None:
    assert pixel_area(Geo(wkt(32617), (0.5, 0, 4e5, 0, -0.25, 3e6)), SIZE) == pytest.approx(0.125)
    turned = Geo(wkt(32617), (0.3, 0.4, 4e5, 0.4, -0.3, 3e6))
    assert pixel_area(turned, SIZE) == pytest.approx(0.25)
    foot = pixel_area(Geo(wkt(2263), (1, 0, 1e6, 0, -1, 2e5)), SIZE)  # New York, in US survey feet
    assert foot == pytest.approx((1200 / 3937) ** 2, rel=1e-6)


@pytest.mark.parametrize("latitude", [0.0, 24.8, -45.0, 70.0])
def test_degrees_and_web_maps_agree_with_a_projection_that_keeps_areas(latitude: float) -> None:
    """Against the corners of a small raster in a Lambert azimuthal equal-area projection around it."""
    flat = CRS.from_proj4(f"+proj=laea +lat_0={latitude} +lon_0=-83 +datum=WGS84 +units=m")
    step = 1e-5
    geo = Geo(wkt(4326), (step, 0, -83 - 100 * step, 0, -step, latitude + 50 * step))
    corners = [geo.at(row, col) for row, col in ((0, 0), (0, 200), (100, 200), (100, 0))]
    x, y = transform(CRS.from_epsg(4326), flat, [c[0] for c in corners], [c[1] for c in corners])
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    assert pixel_area(geo, SIZE) == pytest.approx(area / (100 * 200), rel=1e-4)
    (cx,), (cy,) = transform(CRS.from_epsg(4326), CRS.from_epsg(3857), [-83], [latitude])
    web = Geo(wkt(3857), (1, 0, cx - 100, 0, -1, cy + 50))
    x, y = transform(
        CRS.from_epsg(3857), flat, [cx - 100, cx + 100, cx + 100, cx - 100], [cy + 50, cy + 50, cy - 50, cy - 50]
    )
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    assert pixel_area(web, SIZE) == pytest.approx(area / (100 * 200), rel=7e-3)  # the sphere stands for the ellipsoid


def test_what_cannot_be_known_is_not_said() -> None:
    assert pixel_area(Geo("", (1, 0, 0, 0, -1, 0)), SIZE) is None
    assert pixel_area(Geo("no such system", (1, 0, 0, 0, -1, 0)), SIZE) is None
    assert pixel_area(Geo(wkt(4326), (1, 0, 0, 0, -1, 5000)), SIZE) is None  # not a latitude
    assert degree_lengths(90.0)[1] == pytest.approx(0, abs=1e-6)

"""Where pixels of one raster lie in another."""

import numpy as np
import pytest
import rasterio.warp
from rasterio.crs import CRS

from segpipe.base.geometry import Box, Size
from segpipe.ops.change.ground_grid import GroundLink, linkable
from segpipe.records.geo import Geo

UTM = CRS.from_epsg(32755).to_wkt()
DEGREES = CRS.from_epsg(4326).to_wkt()
FIRST = Geo(UTM, (0.5, 0, 500_000, 0, -0.5, 7_800_000))


def test_the_same_system_is_exact() -> None:
    second = Geo(UTM, (0.25, 0, 500_010, 0, -0.25, 7_799_990))
    link = GroundLink(FIRST, second)
    rows, cols = link.places(Box(20, 20, 2, 3))
    # the center of pixel (20, 20) lies 10.25 m east and south of the corner: 0.25 m inside the second, a pixel of it
    np.testing.assert_allclose(rows[0, 0], 1.0)
    np.testing.assert_allclose(cols[0], [1.0, 3.0, 5.0])
    moved = link.shifted(7.5, -2).places(Box(20, 20, 1, 1))
    np.testing.assert_allclose([moved[0][0, 0], moved[1][0, 0]], [16.0, -3.0])
    assert link.scale(Box(0, 0, 10, 10)) == pytest.approx(2.0)


def test_turned_rasters() -> None:
    second = Geo(UTM, (0, 0.5, 500_000, 0.5, 0, 7_799_000))  # rows run east, columns north
    rows, cols = GroundLink(FIRST, second).places(Box(4, 10, 1, 1))
    x, y = FIRST.at(4.5, 10.5)
    assert second.at(rows[0, 0], cols[0, 0]) == pytest.approx((x, y))


def test_another_system_is_interpolated_to_a_hundredth_of_a_pixel() -> None:
    (x,), (y,) = rasterio.warp.transform(CRS.from_wkt(UTM), CRS.from_wkt(DEGREES), [500_000], [7_800_000])
    second = Geo(DEGREES, (4e-6, 0, x, 0, -4e-6, y))
    box = Box(100, 300, 150, 210)
    rows, cols = GroundLink(FIRST, second).places(box)
    for row, col in ((0, 0), (75, 101), (149, 209)):
        place = FIRST.at(box.top + row + 0.5, box.left + col + 0.5)
        (east,), (north,) = rasterio.warp.transform(CRS.from_wkt(UTM), CRS.from_wkt(DEGREES), [place[0]], [place[1]])
        assert cols[row, col] == pytest.approx((east - x) / 4e-6, abs=0.01)
        assert rows[row, col] == pytest.approx((y - north) / 4e-6, abs=0.01)


def test_common_ground() -> None:
    second = Geo(UTM, (0.5, 0, 500_100, 0, -0.5, 7_800_000))
    box = GroundLink(FIRST, second).common(Size(400, 640), Size(400, 640))
    assert box is not None
    assert box.left <= 200
    assert box.left >= 190
    assert (box.top, box.bottom, box.right) == (0, 400, 640)
    away = Geo(UTM, (0.5, 0, 900_000, 0, -0.5, 7_800_000))
    assert GroundLink(FIRST, away).common(Size(400, 640), Size(400, 640)) is None
    assert GroundLink(None, None).common(Size(40, 60), Size(40, 60)) == Box(0, 0, 40, 60)


def test_what_can_be_linked() -> None:
    local = Geo("", (1, 0, 0, 0, -1, 0))
    assert linkable(FIRST, FIRST)
    assert linkable(local, local)
    assert not linkable(FIRST, local)
    assert not linkable(None, FIRST)

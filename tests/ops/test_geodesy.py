import math

import numpy as np
import pyproj
import pytest
import shapely
from rasterio.crs import CRS
from rasterio.warp import transform

from segpipe.base.geometry import Size
from segpipe.ops.geodesy import coordinates_of, measure, pixel_area
from segpipe.records.geo import Geo
from segpipe.stages.export.vector.polygons import place
from tests.helpers.geodesics import geodesic

WGS84 = CRS.from_epsg(4326).to_wkt()
SITE = (
    'ENGCRS["site",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
    'LENGTHUNIT["US survey foot",0.304800609601219]]'
)


def shapes():
    """A polygon with a hole and one turned, in degrees."""
    box = shapely.box(0, 0, 40, 30).difference(shapely.box(10, 10, 20, 25))
    return place(np.array([box, shapely.Polygon([(0, 0), (30, 5), (10, 20)])]), (0.02, 0.001, 14, 0.002, -0.03, 62))


@pytest.mark.parametrize("epsg", [4326, 4267, 4807])
def test_degrees_are_measured_on_the_ellipsoid(epsg):
    crs = CRS.from_epsg(epsg)
    known = pyproj.CRS.from_epsg(epsg)
    geod = known.get_geod()
    polygons = shapes()
    areas, lengths = measure(polygons, coordinates_of(crs.to_wkt()))
    to_degrees = math.degrees(known.axis_info[0].unit_conversion_factor)  # EPSG:4807 counts in grads
    for polygon, area, length in zip(polygons, areas, lengths, strict=True):
        expected = geodesic(polygon, geod, lambda points: points * to_degrees, 4000)
        assert area == pytest.approx(expected[0], rel=1e-7)
        assert length == pytest.approx(expected[1], rel=1e-7)


def test_a_whole_globe_and_a_pixel_of_a_drone():
    globe, pixel = shapely.box(-180, -90, 180, 90), shapely.box(-95.4, 29.7, -95.4 + 1e-7, 29.7 + 1e-7)
    areas, _ = measure(shapely.orient_polygons(np.array([globe, pixel])), coordinates_of(WGS84))
    assert areas[0] == pytest.approx(510_065_621_724_089, rel=1e-6)  # m2 of WGS 84, NIMA TR8350.2
    meridian, parallel = 110_861.0, 96_786.0  # meters a degree at 29.7 degrees north
    assert areas[1] == pytest.approx(meridian * parallel * 1e-14, rel=2e-3)


def test_a_sphere():
    sphere = CRS.from_string("+proj=longlat +R=6371000 +no_defs").to_wkt()
    areas, lengths = measure(np.array([shapely.box(10, 20, 40, 50)]), coordinates_of(sphere))
    zone = 6371000**2 * math.radians(30) * (math.sin(math.radians(50)) - math.sin(math.radians(20)))
    around = math.radians(30) * 6371000 * (2 + math.cos(math.radians(20)) + math.cos(math.radians(50)))
    assert areas[0] == pytest.approx(zone, rel=1e-9)
    assert lengths[0] == pytest.approx(around, rel=1e-9)


@pytest.mark.parametrize(
    ("wkt", "meters"),
    [
        (CRS.from_epsg(32633).to_wkt(), 1.0),
        (CRS.from_epsg(7415).to_wkt(), 1.0),  # with heights
        (CRS.from_epsg(2263).to_wkt(), 1200 / 3937),  # US survey feet
        (SITE, 1200 / 3937),
        ('LOCAL_CS["site",UNIT["metre",1]]', 1.0),
    ],
)
def test_lengths_are_scaled_by_their_unit(wkt, meters):
    coordinates = coordinates_of(wkt)
    assert coordinates.projjson is not None
    areas, lengths = measure(np.array([shapely.box(0, 0, 10, 20)]), coordinates)
    assert areas[0] == pytest.approx(200 * meters**2)
    assert lengths[0] == pytest.approx(60 * meters)


@pytest.mark.parametrize("wkt", ["", "nonsense", 'LOCAL_CS["paper",UNIT["unknown",1]]'])
def test_numbers_without_a_unit_are_not_measured(wkt):
    coordinates = coordinates_of(wkt)
    assert coordinates.unit is None
    with pytest.raises(ValueError, match="no length"):
        measure(np.array([shapely.box(0, 0, 1, 1)]), coordinates)


def test_codes_and_names():
    assert coordinates_of(WGS84).code == "EPSG:4326"
    assert coordinates_of(SITE).code == ""
    assert coordinates_of(SITE).name == "site"


WEB = CRS.from_epsg(3857).to_wkt()


@pytest.mark.parametrize("latitude", [0.0, -23.5, 45.0, 60.0, 85.0])
@pytest.mark.parametrize(
    "wkt", [WEB, CRS.from_string("ESRI:102100").to_wkt(), CRS.from_epsg(3857).to_wkt(version="WKT1_ESRI")]
)
def test_web_mercator_is_measured_on_the_ellipsoid(latitude, wkt):
    """Against geodesics between many places along every edge, which PROJ brings to degrees."""
    there = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    x, y = there.transform(14.0, latitude)
    box = shapely.box(0, 0, 400, 300).difference(shapely.box(100, 100, 200, 250))
    flat = np.array([box, shapely.Polygon([(0, 0), (300, 50), (100, 200)])])
    polygons = place(flat, (3.0, 0.5, x, 0.4, -2.0, y))
    areas, lengths = measure(polygons, coordinates_of(wkt))
    back = pyproj.Transformer.from_crs(3857, 4326, always_xy=True)
    geod = pyproj.Geod(ellps="WGS84")
    for polygon, area, length in zip(polygons, areas, lengths, strict=True):
        expected = geodesic(polygon, geod, lambda points: np.stack(back.transform(*points.T), axis=1), 200)
        assert area == pytest.approx(expected[0], rel=1e-7)
        assert length == pytest.approx(expected[1], rel=1e-7)
    stretch = 1 / math.cos(math.radians(latitude)) ** 2
    assert shapely.area(polygons) == pytest.approx(areas * stretch, rel=0.02)


def test_web_mercator_with_another_origin():
    own = CRS.from_string("+proj=webmerc +datum=WGS84 +lon_0=10 +x_0=500 +y_0=3000").to_wkt(version="WKT2_2019")
    there = pyproj.Transformer.from_crs(4326, pyproj.CRS.from_wkt(own), always_xy=True)
    usual = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    found = []
    for system, to in ((own, there), (WEB, usual)):
        x, y = to.transform(12.0, 50.0)
        found.append(measure(np.array([shapely.box(x, y, x + 50, y + 80)]), coordinates_of(system)))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


SIZE = Size(100, 200)


def test_pixels_in_meters_and_feet():
    assert pixel_area(Geo(wkt(32617), (0.5, 0, 4e5, 0, -0.25, 3e6)), SIZE) == pytest.approx(0.125)
    turned = Geo(wkt(32617), (0.3, 0.4, 4e5, 0.4, -0.3, 3e6))
    assert pixel_area(turned, SIZE) == pytest.approx(0.25)
    foot = pixel_area(Geo(wkt(2263), (1, 0, 1e6, 0, -1, 2e5)), SIZE)  # New York, in US survey feet
    assert foot == pytest.approx((1200 / 3937) ** 2, rel=1e-6)
    assert pixel_area(Geo(SITE, (0.5, 0, 0, 0, -0.5, 0)), SIZE) == pytest.approx((600 / 3937) ** 2)


def wkt(code):
    return str(CRS.from_epsg(code).to_wkt())


@pytest.mark.parametrize("latitude", [0.0, 24.8, -45.0, 70.0])
@pytest.mark.parametrize("down", [-1, 1])
def test_pixels_of_degrees_and_web_maps_agree_with_a_projection_that_keeps_areas(latitude, down):
    """Against the corners of a small raster in a Lambert azimuthal equal-area projection around it."""
    flat = CRS.from_proj4(f"+proj=laea +lat_0={latitude} +lon_0=-83 +datum=WGS84 +units=m")
    (cx,), (cy,) = transform(CRS.from_epsg(4326), CRS.from_epsg(3857), [-83], [latitude])
    step = 1e-5
    for code, geo in (
        (4326, Geo(wkt(4326), (step, 0, -83 - 100 * step, 0, down * step, latitude - down * 50 * step))),
        (3857, Geo(wkt(3857), (1, 0, cx - 100, 0, down, cy - down * 50))),
    ):
        corners = [geo.at(row, col) for row, col in ((0, 0), (0, 200), (100, 200), (100, 0))]
        x, y = transform(CRS.from_epsg(code), flat, [c[0] for c in corners], [c[1] for c in corners])
        area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
        assert pixel_area(geo, SIZE) == pytest.approx(area / (100 * 200), rel=1e-4)


def test_the_size_of_a_pixel_that_cannot_be_known_is_not_said():
    assert pixel_area(Geo("", (1, 0, 0, 0, -1, 0)), SIZE) is None
    assert pixel_area(Geo("no such system", (1, 0, 0, 0, -1, 0)), SIZE) is None
    assert pixel_area(Geo(wkt(4326), (1, 0, 0, 0, -1, 5000)), SIZE) is None  # not a latitude

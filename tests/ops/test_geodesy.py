import itertools
import math

import numpy as np
import pyproj
import pytest
import shapely
from rasterio.crs import CRS

from segpipe.ops.geodesy import coordinates_of, measure
from segpipe.stages.export.vector.polygons import place

WGS84 = CRS.from_epsg(4326).to_wkt()
SITE = (
    'ENGCRS["site",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
    'LENGTHUNIT["US survey foot",0.304800609601219]]'
)


def shapes():
    """A polygon with a hole and one turned, in degrees."""
    box = shapely.box(0, 0, 40, 30).difference(shapely.box(10, 10, 20, 25))
    return place(np.array([box, shapely.Polygon([(0, 0), (30, 5), (10, 20)])]), (0.02, 0.001, 14, 0.002, -0.03, 62))


def geodesic(polygon, geod, parts=4000):
    """Area and length with the edges cut into many short geodesics, ring by ring (Karney)."""
    area, length = 0.0, 0.0
    for ring in (polygon.exterior, *polygon.interiors):
        lon, lat = [], []
        points = list(ring.coords)
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            t = np.arange(parts) / parts
            lon += (x0 + t * (x1 - x0)).tolist()
            lat += (y0 + t * (y1 - y0)).tolist()
        signed, around = geod.polygon_area_perimeter(lon, lat)
        area, length = area + signed, length + around
    return area, length


@pytest.mark.parametrize("epsg", [4326, 4267, 4807])
def test_degrees_are_measured_on_the_ellipsoid(epsg):
    crs = CRS.from_epsg(epsg)
    known = pyproj.CRS.from_epsg(epsg)
    geod = known.get_geod()
    polygons = shapes()
    areas, lengths = measure(polygons, coordinates_of(crs.to_wkt()))
    to_degrees = math.degrees(known.axis_info[0].unit_conversion_factor)  # EPSG:4807 counts in grads
    for polygon, area, length in zip(polygons, areas, lengths, strict=True):
        expected = geodesic(shapely.transform(polygon, lambda points: points * to_degrees), geod)
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

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from rasterio import features

from segpipe.stages.export.vector.keyhole import one_ring
from segpipe.stages.export.vector.polygons import IMAGE_TRANSFORM, outline, place, simplify
from segpipe.stages.export.vector.regions import find_regions
from tests.helpers.outlines import burnt, even_odd, smooth_map
from tests.stages.export.vector.test_regions import EMPTY, maps


@settings(max_examples=200, deadline=None)
@given(maps)
def test_polygons_are_the_regions_pixel_for_pixel(mask):
    regions = find_regions(mask, EMPTY)
    polygons = outline(regions)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    np.testing.assert_array_equal(shapely.area(polygons), regions.sizes)
    np.testing.assert_array_equal(burnt(polygons, regions.classes, mask.shape), mask)
    theirs = [shapely.geometry.shape(s) for s, v in features.shapes(mask, connectivity=4) if v != EMPTY]
    assert sorted(shapely.normalize(shapely.simplify(p, 0)).wkt for p in map(shapely.make_valid, theirs)) == sorted(
        shapely.normalize(shapely.simplify(p, 0)).wkt for p in polygons
    )


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("seed", range(3))
def test_simplified_polygons_leave_no_gap_and_do_not_overlap(seed, tolerance):
    mask = smooth_map(seed)
    regions = find_regions(mask, EMPTY)
    exact = outline(regions)
    polygons = simplify(exact, tolerance)
    assert len(polygons) == len(exact)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == pytest.approx((mask != EMPTY).sum(), abs=1e-6)
    assert shapely.union_all(polygons).symmetric_difference(shapely.union_all(exact)).area < 1e-9
    tree = shapely.STRtree(polygons)
    for a, b in tree.query(polygons, predicate="intersects").T:
        assert a == b or polygons[a].intersection(polygons[b]).area < 1e-9
    corners = shapely.get_num_coordinates(polygons).sum(), shapely.get_num_coordinates(exact).sum()
    assert corners[0] < 0.7 * corners[1] if tolerance >= 1 else corners[0] == corners[1]
    if tolerance == 1:
        assert (burnt(polygons, regions.classes, mask.shape) == mask).mean() > 0.97
    for polygon in polygons:
        parts = [np.asarray(ring.coords)[:-1] for ring in (polygon.exterior, *polygon.interiors)]
        expected = np.logical_xor.reduce([even_odd(part, mask.shape) for part in parts])
        np.testing.assert_array_equal(even_odd(one_ring(polygon), mask.shape), expected)


@pytest.mark.parametrize(
    "transform",
    [(0.5, 0, 100, 0, -0.5, 200), (0.5, 0, 100, 0, 0.5, 200), (3, 1, 7, 2, -4, 5), (0, 2, 0, 2, 0, 0), IMAGE_TRANSFORM],
    ids=["north up", "south up", "rotated", "transposed", "image"],
)
def test_polygons_are_placed_by_the_affine_transform(transform):
    mask = smooth_map(3)
    regions = find_regions(mask, EMPTY)
    a, b, c, d, e, f = transform
    placed = place(outline(regions), transform)
    assert shapely.is_ccw(shapely.get_exterior_ring(placed)).all()
    holes = [hole for polygon in placed for hole in polygon.interiors]
    assert holes
    assert not shapely.is_ccw(holes).any()
    np.testing.assert_allclose(shapely.area(placed), regions.sizes * abs(a * e - b * d))
    rng = np.random.default_rng(0)
    for row, col in zip(rng.integers(0, 60, 50), rng.integers(0, 80, 50), strict=True):
        x, y = a * (col + 0.5) + b * (row + 0.5) + c, d * (col + 0.5) + e * (row + 0.5) + f
        holding = np.flatnonzero(shapely.contains_xy(placed, x, y))
        assert holding.tolist() == ([] if mask[row, col] == EMPTY else [regions.labels[row, col]])


def test_a_map_without_a_class_has_no_polygons():
    regions = find_regions(np.full((3, 4), EMPTY, np.uint8), EMPTY)
    assert len(simplify(place(outline(regions), IMAGE_TRANSFORM), 2.0)) == 0

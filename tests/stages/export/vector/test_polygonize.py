import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.stages.export.vector.polygonize import sweep
from segpipe.stages.export.vector.polygons import outline, polygons_of
from segpipe.stages.export.vector.regions import find_regions
from tests.stages.export.vector.test_regions import EMPTY, cut_into_strips, maps


@settings(max_examples=100, deadline=None)
@given(maps, st.integers(1, 30), st.data())
def test_outlines_swept_in_strips_and_read_in_parts_are_the_same_polygons(mask, most, data):
    regions = find_regions(mask, EMPTY)
    found = sweep(cut_into_strips(regions.labels, data))
    parts = [polygons_of(found.rings(*span)) for span in found.parts(most)]
    whole = outline(regions)
    assert [polygon.wkt for part in parts for polygon in part] == [polygon.wkt for polygon in whole]
    assert all(len(part) == 1 or shapely.get_num_coordinates(part[:-1]).sum() <= 2 * most + 5 for part in parts)

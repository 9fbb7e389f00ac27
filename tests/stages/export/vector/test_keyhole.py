import numpy as np
from hypothesis import given, settings

from segpipe.stages.export.vector.keyhole import one_ring
from segpipe.stages.export.vector.polygons import outline
from segpipe.stages.export.vector.regions import find_regions
from tests.helpers.outlines import even_odd
from tests.stages.export.vector.test_regions import EMPTY, maps


@settings(max_examples=50, deadline=None)
@given(maps)
def test_rings_without_holes_hold_the_same_pixels(mask):
    regions = find_regions(mask, EMPTY)
    for k, polygon in enumerate(outline(regions)):
        ring = one_ring(polygon)
        np.testing.assert_array_equal(even_odd(ring, mask.shape), regions.labels == k)

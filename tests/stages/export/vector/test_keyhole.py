import numpy as np
from hypothesis import given, settings
from rasterio import features
from scipy.ndimage import gaussian_filter

from segpipe.stages.export.vector.keyhole import one_ring
from segpipe.stages.export.vector.polygons import outline
from segpipe.stages.export.vector.regions import find_regions
from tests.stages.export.vector.test_regions import EMPTY, maps


def smooth_map(seed, shape=(60, 80), classes=4):
    rng = np.random.default_rng(seed)
    mask = np.stack([gaussian_filter(rng.normal(size=shape), 3) for _ in range(classes)]).argmax(0).astype(np.uint8)
    mask[20:30, 10:25] = EMPTY
    return mask


def burnt(polygons, values, shape):
    """GDAL's own rasterizer: a pixel belongs to the polygon that holds its center."""
    pairs = list(zip(polygons, values, strict=True))
    return features.rasterize(pairs, shape, fill=EMPTY, dtype="uint8") if pairs else np.full(shape, EMPTY, np.uint8)


def even_odd(ring, shape):
    """Pixel centers inside a ring by crossings of a ray, the slow way."""
    inside = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        for row in range(shape[0]):
            y = row + 0.5
            if (y0 <= y) != (y1 <= y):
                inside[row] ^= np.arange(shape[1]) + 0.5 < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    return inside


@settings(max_examples=50, deadline=None)
@given(maps)
def test_rings_without_holes_hold_the_same_pixels(mask):
    regions = find_regions(mask, EMPTY)
    for k, polygon in enumerate(outline(regions)):
        ring = one_ring(polygon)
        np.testing.assert_array_equal(even_odd(ring, mask.shape), regions.labels == k)

"""Maps with smooth regions, and slow readers of outlines."""

import numpy as np
from rasterio import features
from scipy.ndimage import gaussian_filter

from tests.stages.export.vector.test_regions import EMPTY


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

import numpy as np
import pytest
from hypothesis import given, settings
from pycocotools import mask as coco

from segpipe.stages.export.vector.regions import find_regions
from segpipe.stages.export.vector.rle import brush, coco_counts
from tests.stages.export.vector.test_regions import EMPTY, maps


def plain_brush(data):
    """thi.ng's rle-pack read bit by bit."""
    bits = "".join(f"{byte:08b}" for byte in data)
    at = 0

    def read(size):
        nonlocal at
        at += size
        return int(bits[at - size : at], 2)

    total, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values = []
    while len(values) < total:
        repeat, count = read(1), read(sizes[read(2)]) + 1
        values += [read(word)] * count if repeat else [read(word) for _ in range(count)]
    assert len(bits) - at < 8
    return np.array(values, np.uint8)


@settings(deadline=None)
@given(maps)
def test_regions_are_what_pycocotools_would_write(mask):
    regions = find_regions(mask, EMPTY)
    counts = coco_counts(regions.labels, len(regions.sizes))
    assert len(counts) == len(regions.sizes)
    for k, text in enumerate(counts):
        theirs = coco.encode(np.asfortranarray(regions.labels == k).astype(np.uint8))
        assert text.encode() == theirs["counts"]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools on numpy 2
@pytest.mark.parametrize("cuts", [[], [16384], [1, 16385, 16390, 32800], [5, 9, 40_000, 75_000]])
def test_long_runs(cuts):
    mask = (np.searchsorted(cuts, np.arange(80_000), side="right") % 2).astype(np.uint8).reshape(2, -1)
    regions = find_regions(mask, EMPTY)
    for k, text in enumerate(coco_counts(regions.labels, len(regions.sizes))):
        found = coco.decode({"size": mask.shape, "counts": text.encode()})
        np.testing.assert_array_equal(found, regions.labels == k)
    np.testing.assert_array_equal(plain_brush(brush(mask, 1)).reshape(2, -1, 4)[..., 3], (mask == 1) * 255)


@settings(deadline=None)
@given(maps)
def test_a_brush_reads_back(mask):
    for value in (0, 1, EMPTY):
        found = plain_brush(brush(mask, value)).reshape(*mask.shape, 4)
        np.testing.assert_array_equal(found, np.repeat((mask == value)[..., None] * 255, 4, axis=2))

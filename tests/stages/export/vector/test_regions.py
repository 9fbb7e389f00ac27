import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from segpipe.stages.export.vector.regions import (
    Regions,
    boxes,
    connect,
    find_regions,
    merge_small,
    merge_small_strips,
)

EMPTY = 255
maps = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, EMPTY]))
)


def plain_regions(mask):
    """Class by class with scipy, then numbered by first pixel."""
    labels, found = np.full(mask.shape, -1), []
    for k in np.unique(mask[mask != EMPTY]):
        parts, count = ndimage.label(mask == k)
        found += [parts == i for i in range(1, count + 1)]
    found.sort(key=lambda part: int(part.ravel().argmax()))
    for number, part in enumerate(found):
        labels[part] = number
    return labels


def plain_merge(mask, least):
    """The same rule, one region at a time, everything looked up again in the map after every step."""
    mask = mask.copy()
    while True:
        labels = plain_regions(mask)
        sizes = np.bincount(labels[labels >= 0], minlength=0)
        for k in sorted(np.flatnonzero(sizes < least), key=lambda k: (sizes[k], k)):
            around = []
            for r, c in np.argwhere(labels == k):
                for y, x in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
                    inside = 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]
                    if inside and labels[y, x] not in (-1, k):
                        around.append(int(labels[y, x]))
            if around:
                best = max(set(around), key=lambda n: (around.count(n), sizes[n], -n))
                mask[labels == k] = mask[labels == best][0]
                break
        else:
            return mask


@settings(deadline=None)
@given(maps)
def test_regions_are_the_connected_parts_of_each_class(mask):
    regions = find_regions(mask, EMPTY)
    np.testing.assert_array_equal(regions.labels, plain_regions(mask))
    np.testing.assert_array_equal(regions.mask(EMPTY), mask)
    assert regions.mask(EMPTY).dtype == np.uint8
    for k, (size, (top, left, bottom, right)) in enumerate(zip(regions.sizes, boxes(regions), strict=True)):
        rows, cols = np.nonzero(regions.labels == k)
        assert size == len(rows)
        assert (top, left, bottom, right) == (rows.min(), cols.min(), rows.max() + 1, cols.max() + 1)


@settings(max_examples=200, deadline=None)
@given(maps, st.integers(0, 12))
def test_small_regions_join_the_neighbor_with_most_border(mask, least):
    merged = merge_small(find_regions(mask, EMPTY), least)
    expected = plain_merge(mask, least)
    np.testing.assert_array_equal(merged.mask(EMPTY), expected)
    again = find_regions(expected, EMPTY)
    np.testing.assert_array_equal(merged.labels, again.labels)
    np.testing.assert_array_equal(merged.sizes, again.sizes)
    np.testing.assert_array_equal(merged.classes, again.classes)
    np.testing.assert_array_equal(expected == EMPTY, mask == EMPTY)


def cut_into_strips(mask, data):
    cuts = data.draw(st.lists(st.integers(1, len(mask)), max_size=4).map(sorted), "cuts")
    return [strip for strip in np.split(mask, cuts) if len(strip)]


@settings(max_examples=200, deadline=None)
@given(maps, st.integers(0, 12), st.data())
def test_a_map_in_strips_has_the_same_regions(mask, least, data):
    strips = cut_into_strips(mask, data)
    found = merge_small_strips(connect(strips, EMPTY), lambda: strips, EMPTY, least)
    whole = merge_small(find_regions(mask, EMPTY), least)
    np.testing.assert_array_equal(np.concatenate(list(found.labels(strips, EMPTY))), whole.labels)
    np.testing.assert_array_equal(found.sizes, whole.sizes)
    np.testing.assert_array_equal(found.classes, whole.classes)


def test_a_map_in_16_bits():
    mask = np.array([[300, 300, 65535], [1, 300, 1]], np.uint16)
    regions = find_regions(mask, 65535)
    np.testing.assert_array_equal(regions.labels, [[0, 0, -1], [1, 0, 2]])
    np.testing.assert_array_equal(regions.classes, [300, 1, 1])
    np.testing.assert_array_equal(regions.mask(65535), mask)


def test_an_empty_map_has_no_regions():
    regions = merge_small(find_regions(np.full((2, 3), EMPTY, np.uint8), EMPTY), 5)
    assert isinstance(regions, Regions)
    assert (regions.labels == -1).all()
    assert len(regions.sizes) == len(boxes(regions)) == 0


def test_a_map_too_large_for_its_numbers_is_refused():
    mask = np.broadcast_to(np.uint8(0), (2**16, 2**15))
    with pytest.raises(ValueError, match="export it in parts"):
        find_regions(mask, EMPTY)

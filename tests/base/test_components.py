"""Components found strip by strip, against scipy's labels of the whole."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segpipe.base.components import join, join_rows, more_labels, number_components


def numbered(parent: np.ndarray) -> tuple[int, np.ndarray]:
    numbers = np.empty_like(parent)
    return number_components(parent, numbers), numbers


@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
def test_joined_pairs_are_the_components_of_a_graph(count: int, pairs: list[tuple[int, int]]) -> None:
    one, other = (np.array([pair[i] % count for pair in pairs], np.int64) for i in range(2))
    parent = more_labels(np.zeros(0, np.int32), count)
    join(parent, one, other)
    found, numbers = numbered(parent)
    expected, labels = connected_components(coo_array((np.ones(len(one)), (one, other)), shape=(count, count)), False)
    assert found == expected
    first = [labels.tolist().index(k) for k in range(expected)]  # scipy numbers them in some order
    order = np.argsort(np.argsort(first))
    np.testing.assert_array_equal(numbers, order[labels])


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.lists(st.integers(1, 11), max_size=3),
)
def test_strips_joined_are_the_labels_of_the_whole(seed: int, shape: tuple[int, int], cuts: list[int]) -> None:
    marked = np.random.default_rng(seed).random(shape) < 0.6
    edges = sorted({0, shape[0], *(cut for cut in cuts if cut < shape[0])})
    labels, parent = np.full(shape, -1, np.int32), np.zeros(0, np.int32)
    for top, bottom in itertools.pairwise(edges):
        own, count = ndimage.label(marked[top:bottom])
        strip = np.where(own > 0, own - 1 + len(parent), -1).astype(np.int32)
        parent = more_labels(parent, len(parent) + count)
        labels[top:bottom] = strip
        if top:
            join_rows(marked[top - 1 : top + 1], labels[top - 1 : top + 1], parent)
    count, numbers = numbered(parent)
    expected, total = ndimage.label(marked)
    assert count == total
    np.testing.assert_array_equal(np.append(numbers, -1)[labels] + 1, expected)

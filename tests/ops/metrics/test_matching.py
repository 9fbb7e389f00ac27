"""Matching: against every pairing, one by one."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.ops.metrics import confusion as metrics
from segpipe.ops.metrics import matching

NODATA = 255


def scene(rng, *, classes, clusters, shape=(9, 11), ignored=0.2, nodata=0.1):
    labels = rng.integers(classes, size=shape)
    found = rng.integers(clusters, size=shape)
    labels[rng.random(shape) < ignored] = -1
    found[rng.random(shape) < nodata] = NODATA
    return labels, found.astype(np.uint8)


def count(labels, found, classes, clusters):
    return metrics.confusion(labels, found, n_classes=classes, n_clusters=clusters, nodata=NODATA)


def brute_force(table):
    """The most pixels that any one-to-one pairing of clusters and classes can get right."""
    wide = table if table.shape[0] <= table.shape[1] else table.T
    rows = range(wide.shape[0])
    return max(
        wide[rows, list(columns)].sum() for columns in itertools.permutations(range(wide.shape[1]), wide.shape[0])
    )


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_matching_is_the_best_of_all_pairings(data):
    classes, clusters = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 6))
    cells = st.lists(st.integers(0, 9), min_size=classes * clusters, max_size=classes * clusters)
    table = np.array(data.draw(cells), np.int64).reshape(classes, clusters)
    found = matching.match_one_to_one(table)
    taken = found[found >= 0]
    assert len(set(taken.tolist())) == len(taken) == min((table.sum(1) > 0).sum(), clusters)
    right = sum(table[c, k] for k, c in enumerate(found.tolist()) if c >= 0)
    assert right == brute_force(table)
    many = matching.match_majority(table)
    assert sum(table[c, k] for k, c in enumerate(many.tolist()) if c >= 0) == table.max(0).sum()
    assert ((many == -1) == (table.sum(0) == 0)).all()

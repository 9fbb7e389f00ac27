import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, is_valid_linkage, linkage
from sklearn.metrics import adjusted_rand_score

from segpipe.ops.clustering.linkage import average_linkage, cut


def units(rng, count, dim):
    rows = rng.normal(size=(count, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(st.integers(2, 25), st.integers(0, 10_000))
def test_single_vectors_merge_as_scipy_merges_them(count, seed):
    rows = units(np.random.default_rng(seed), count, 5)
    merges = average_linkage(rows, np.ones(count, int))
    expected = linkage(rows, "average", metric="cosine")
    assert is_valid_linkage(merges)
    np.testing.assert_allclose(merges[:, 2], expected[:, 2], atol=1e-9)
    np.testing.assert_array_equal(merges[:, 3], expected[:, 3])
    for k in (1, 2, 5, count):
        assert adjusted_rand_score(cut(merges, k), fcluster(expected, k, "maxclust")) == 1


def test_a_cluster_counts_as_all_its_members():
    """Merging means of groups goes on as SciPy's tree of all members does from where the groups are merged."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(9), [1, 7, 3, 12, 2, 5, 1, 9, 4])
    rows = units(rng, 9, 6)[groups] + 0.01 * rng.normal(size=(len(groups), 6))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    means = np.stack([rows[groups == group].mean(axis=0) for group in range(9)])
    merges = average_linkage(means, np.bincount(groups))
    whole = linkage(rows, "average", metric="cosine")
    np.testing.assert_allclose(merges[:, 2], whole[-8:, 2], atol=1e-9)
    assert is_valid_linkage(merges)
    for k in range(1, 9):
        assert adjusted_rand_score(cut(merges, k)[groups], fcluster(whole, k, "maxclust")) == 1


@given(st.integers(1, 20), st.integers(0, 1000))
def test_cuts_are_nested_and_have_as_many_classes_as_wanted(count, seed):
    merges = average_linkage(units(np.random.default_rng(seed), count, 4), np.arange(1, count + 1))
    finer = None
    for k in range(count + 2, 0, -1):
        classes = cut(merges, k)
        assert sorted(set(classes.tolist())) == list(range(min(k, count)))
        if finer is not None:
            assert len({*zip(finer.tolist(), classes.tolist(), strict=True)}) == len(set(finer.tolist()))
        finer = classes


def test_an_empty_cluster_is_refused():
    with pytest.raises(ValueError, match="empty"):
        average_linkage(np.eye(2), np.array([1, 0]))

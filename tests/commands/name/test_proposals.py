"""Names by labelled pixels, merges by the tree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from segpipe.commands.name.proposals import fits, propose, suggest_merges
from segpipe.ops.clustering.linkage import average_linkage, cut
from segpipe.ops.metrics.matching import match_overlap
from segpipe.records.clusters import ClusterModel, ClusterTree
from segpipe.records.scores import confusion_of, join


def test_a_majority_with_evidence_is_proposed() -> None:
    # rows are labels; clusters 0 to 4, and no data
    first = np.array([[8, 1, 0, 5, 3, 0], [2, 0, 0, 5, 0, 9]])
    second = np.array([[4, 0, 0, 0, 0, 0], [1, 30, 0, 3, 8, 0]])
    counts = join([confusion_of(first), confusion_of(second)])
    found = propose(counts, least=10, spread=2, share=0.2)
    assert [p.label for p in found] == [0, 1, None, 1, None]
    assert [p.first for p in found] == [0, 1, None, 1, 1]
    assert found[4].why == "may be 13%"  # each image says something else
    assert [p.pixels for p in found] == [15, 31, 0, 13, 11]
    assert [p.second for p in found] == [1, 0, None, 0, 0]
    assert found[2].why == "none labelled"
    assert found[0].agreement == 12 / 15
    strict = propose(counts, least=12, spread=2, share=0.65)
    assert [p.label for p in strict] == [None] * 5
    assert [p.label for p in propose(counts, least=12, spread=2, share=0.6)] == [None, 1, None, None, None]
    assert strict[1].why == "may be 63%"  # the one is all of its image
    assert strict[0].why == "may be 55%"
    assert strict[3].why == "below 65%"
    assert strict[4].why == "only 11 labelled"
    alone = propose(confusion_of(second), least=5, spread=2, share=0.5)
    assert alone[0].why == "only 1 image"
    # by hand: cluster 0 is label 0 (12 of 15), 1 is label 1 (30 of 31), all others are misses
    assert fits(counts, {0: 0, 1: 1}) == (12 + 30) / (first.sum() + second.sum())


def test_thirteen_of_twenty_six_points_name_nothing() -> None:
    """The two labels are as likely as each other, and 14 of 26 would be a majority by chance."""
    for hits, label in ((13, None), (14, None), (17, None), (19, 0)):
        tables = [np.array([[hits // 2, 0], [13 - hits // 2, 0]]), np.array([[hits - hits // 2, 0], [0, 0]])]
        tables[1][1, 0] = 26 - tables[0].sum() - tables[1].sum()
        proposal = propose(join([confusion_of(table) for table in tables]), least=10, spread=2, share=0.5)[0]
        wilson = binomtest(hits, 26).proportion_ci(0.95, method="wilson")
        assert (proposal.label, proposal.first, proposal.pixels) == (label, 0, 26)
        assert (proposal.low, proposal.high) == pytest.approx((wilson.low, wilson.high), abs=0.02)


@given(st.lists(st.lists(st.integers(0, 20), min_size=3, max_size=3), min_size=1, max_size=5))
def test_overlap_partners_are_those_above_one_half(rows) -> None:
    counts = np.array(rows, np.int64)
    slow = {}
    for i in range(counts.shape[0]):
        for j in range(counts.shape[1]):
            union = counts[i].sum() + counts[:, j].sum() - counts[i, j]
            if union and counts[i, j] / union > 0.5:
                assert j not in slow
                slow[j] = i
    assert match_overlap(counts) == slow


def test_merges_are_suggested_along_the_tree() -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(size=(12, 5))
    centers = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    sizes, none = rng.integers(1, 50, 12), np.empty(0, np.int64)
    tree = ClusterTree(
        centers, sizes, average_linkage(0.9 * centers, sizes), 0.9, (0.9,), np.zeros((1, 5), np.float16),
        np.zeros((1, 5), np.float16), np.zeros(1, np.int32), none, none, 1, 1, "o",
    )  # fmt: skip
    model = ClusterModel(centers, 0.9, members=cut(tree.merges, 6))
    joined = suggest_merges(model, tree, np.ones(6, np.int64), classes=3)
    target = np.array([joined.get(k, k) for k in range(6)])
    fine, coarse = model.members, cut(tree.merges, 3)
    assert len(set(target.tolist())) == 3
    for i in range(12):
        for j in range(12):
            assert (target[fine[i]] == target[fine[j]]) == (coarse[i] == coarse[j])
    alone = ClusterModel(centers[:4], 0.9)  # not cut from the tree
    assert len({suggest_merges(alone, tree, np.ones(4, np.int64), classes=2).get(k, k) for k in range(4)}) == 2
    assert suggest_merges(alone, tree, np.ones(4, np.int64), classes=9) == {}

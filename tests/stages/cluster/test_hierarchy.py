"""What a tree is grown from, and the tree."""

import numpy as np
import pytest

from segpipe.base.errors import CorpusError
from segpipe.ops.clustering.streaming_kmeans import count_block
from segpipe.stages.cluster import hierarchy
from segpipe.stages.cluster.hierarchy import PoolCodes, SmallClusters, build_tree, draw_sample


def test_a_sample_is_even_and_its_pool_knows_its_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hierarchy, "POOL", 40)
    shown, groups = np.array([50, 0, 30, 120]), np.array([0, 0, 1, 1])
    sample = draw_sample(shown, groups, most=100, seed=0)
    assert (sample.whole, sample.counts.sum(), sample.counts[1]) == (False, 100, 0)
    assert (sample.counts <= shown).all()
    assert len(sample.pool) == len(sample.owners) == 40
    owner_of = np.repeat(groups, sample.counts)  # of every patch of the sample
    np.testing.assert_array_equal(sample.owners, owner_of[sample.pool])
    assert (np.diff(sample.pool) > 0).all()
    again = draw_sample(shown, groups, most=100, seed=0)
    for name in ("counts", "pool", "among", "queries"):
        np.testing.assert_array_equal(getattr(again, name), getattr(sample, name))
    whole = draw_sample(shown, groups, most=200, seed=0)
    assert whole.whole
    np.testing.assert_array_equal(whole.counts, shown)


def test_crops_of_one_image_count_as_apart_and_one_crop_has_nobody_to_be_like() -> None:
    sample = draw_sample(np.array([3, 2]), np.zeros(2, np.int64), most=10, seed=0)
    assert sample.owners.tolist() == [0, 0, 0, 1, 1]
    assert len(sample.among) == len(sample.queries) == 5
    alone = draw_sample(np.array([5, 0]), np.zeros(2, np.int64), most=10, seed=0)
    assert len(alone.among) == len(alone.queries) == 0
    with pytest.raises(CorpusError, match="no crop shows any image"):
        draw_sample(np.zeros(3, np.int64), np.arange(3), most=10, seed=0)


def test_a_tree_merges_what_is_near_and_finds_partners_elsewhere() -> None:
    centers = np.eye(3, dtype=np.float32)
    vectors = np.array([[1, 0.1, 0], [1, 0, 0], [0.2, 1, 0], [0, 0, 1], [0, 0.1, 1], [0, 1, 0.1]], np.float32)
    sample = draw_sample(np.array([3, 3]), np.arange(2), most=10, seed=0)
    codes = vectors.astype(np.float16)
    found = SmallClusters(centers, count_block(vectors, centers), (0.9, 0.8), 0.95)
    tree = build_tree(sample, PoolCodes(codes, codes, codes), found, origin="abc")
    assert tree.sizes.tolist() == [2, 2, 2]
    assert (tree.patches, tree.of, tree.inertia, tree.restarts, tree.origin) == (6, 6, 0.95, (0.9, 0.8), "abc")
    assert len(tree.merges) == 2
    assert (tree.groups[tree.queries] != tree.groups[tree.partners]).all()
    assert tree.partners[tree.queries == 2].tolist() == [5]  # the only one of its kind in the other image

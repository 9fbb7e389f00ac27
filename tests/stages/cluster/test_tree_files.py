from pathlib import Path

import numpy as np

from segpipe.ops.clustering.streaming_kmeans import ClusterCounts
from segpipe.stages.cluster.hierarchy import PoolCodes, draw_sample
from segpipe.stages.cluster.shard_codes import ShardCodes
from segpipe.stages.cluster.tree_files import TreeFiles


def codes_of(unit: int, sampled: int, every: int) -> ShardCodes:
    rng = np.random.default_rng(unit)
    pool = PoolCodes(*(rng.normal(size=(unit, dim)).astype(np.float16) for dim in (3, 3, 5)))
    return ShardCodes(
        rng.normal(size=(sampled, 3)).astype(np.float32), rng.normal(size=(every, 3)).astype(np.float16), pool
    )


def test_what_units_leave_is_joined_in_their_order(tmp_path: Path) -> None:
    files, sample = TreeFiles(tmp_path), draw_sample(np.array([6, 6]), np.arange(2), most=7, seed=0)
    assert not files.begun
    files.begin("abc", sample)
    again = TreeFiles(tmp_path)
    assert (again.begun, again.origin, again.kept) == (True, "abc", False)
    np.testing.assert_array_equal(again.sample.pool, sample.pool)
    both = [codes_of(0, 4, 6), codes_of(1, 3, 6)]
    for unit in (1, 0):
        assert not (tmp_path / again.names(1, unit)[-1]).exists()
        again.save_codes(unit, both[unit])
        assert all((tmp_path / name).exists() for name in again.names(1, unit))
    np.testing.assert_array_equal(again.sampled(2, 3), np.concatenate([each.sampled for each in both]))
    np.testing.assert_array_equal(again.pool(2).features, both[1].pool.features)
    np.testing.assert_array_equal(again.every(1), both[1].every)


def test_centers_and_counts_come_back(tmp_path: Path) -> None:
    files = TreeFiles(tmp_path)
    assert not files.has_centers(1)
    files.save_centers(1, np.eye(2, dtype=np.float32), (0.5, 0.25))
    centers, restarts = files.centers(1)
    assert (files.has_centers(1), restarts) == (True, (0.5, 0.25))
    assert centers.dtype == np.float32
    files.save_counts(2, 7, ClusterCounts(np.full((2, 2), 1 / 3), np.array([3, 4]), 1 / 7))
    found = files.counts(2, 7)
    assert (found.sums[0, 0], found.sizes.tolist(), found.cosines) == (1 / 3, [3, 4], 1 / 7)


def test_a_tree_that_is_there_needs_no_sample(tmp_path: Path) -> None:
    TreeFiles(tmp_path).begin("abc", None)
    assert (TreeFiles(tmp_path).kept, TreeFiles(tmp_path).origin) == (True, "abc")


def test_a_whole_sample_is_kept_once(tmp_path: Path) -> None:
    files = TreeFiles(tmp_path)
    files.begin("abc", draw_sample(np.array([6]), np.arange(1), most=9, seed=0))
    assert len(files.names(1, 0)) == 1

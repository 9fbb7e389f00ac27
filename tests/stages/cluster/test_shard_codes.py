"""Codes of shards, and the pool kept of them, on a planted run."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.nn.head import Head, codes, linear_head
from segpipe.ops.maps.smoothing import smooth_widely
from segpipe.stages.cluster.hierarchy import HierarchyConfig, TreeSample, draw_sample
from segpipe.stages.cluster.shard_codes import ShardCodes, ShardEncoder
from segpipe.store import features
from segpipe.store.features import FeatureStore
from segpipe.store.valid_patches import count_valid
from tests.helpers.planted_run import plant

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    """Eight crops of 48 patches, the last without any that shows, three a shard."""
    monkeypatch.setattr(features, "_SHARD_BYTES", 3 * 2 * 8 * 8 * 16)
    return FeatureStore(plant(tmp_path, images=8, blank=1)[0].path("features"))


def head_of(store: FeatureStore) -> Head:
    mean = np.concatenate([store.patches(row).reshape(-1, 16) for row in range(8)]).mean(0, dtype=np.float64)
    return linear_head(np.eye(16, dtype=np.float32), mean.astype(np.float32))


def encoded(
    store: FeatureStore, sample: TreeSample, shards: list[int], *, smooth: float, workers: int = 1
) -> dict[int, ShardCodes]:
    config = HierarchyConfig(smooth=smooth, prototypes=8, restarts=2, iterations=10, patches=100, seed=0)
    encoder = ShardEncoder(store, head_of(store), sample, config)
    return dict(encoder.encode(shards, Runtime(workers=workers)))


def arrays(found: ShardCodes) -> list[np.ndarray]:
    return [found.sampled, found.every, found.pool.plain, found.pool.smoothed, found.pool.features]


def test_a_shard_does_not_depend_on_the_others_nor_on_threads(store: FeatureStore) -> None:
    assert [len(span) for span in store.shards] == [3, 3, 2]
    sample = draw_sample(count_valid(store), np.arange(8), most=100, seed=0)
    whole = encoded(store, sample, [0, 1, 2], smooth=0.5, workers=3)
    for shard in (2, 0, 1):
        alone = encoded(store, sample, [shard], smooth=0.5)[shard]
        for expected, found in zip(arrays(whole[shard]), arrays(alone), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert sum(len(each.sampled) for each in whole.values()) == 100
    assert sum(len(each.every) for each in whole.values()) == 7 * 48
    assert sum(len(each.pool.features) for each in whole.values()) == len(sample.among)


@pytest.mark.parametrize("most", [10**6, 100])
def test_the_pool_holds_the_unit_codes_of_the_sample_in_its_order(store: FeatureStore, most: int) -> None:
    sample, head = draw_sample(count_valid(store), np.arange(8), most=most, seed=0), head_of(store)
    found = encoded(store, sample, [0, 1, 2], smooth=0)
    pool = np.concatenate([each.pool.plain for each in found.values()])
    np.testing.assert_array_equal(pool, np.concatenate([each.pool.smoothed for each in found.values()]))
    assert len(pool) == len(sample.pool) == min(most, 7 * 48)
    assert (sum(len(each.every) for each in found.values()) == 0) == sample.whole
    for image in range(7):
        own = codes(head, store.patches(image).reshape(-1, 16)).astype(np.float64)
        own /= np.linalg.norm(own, axis=1, keepdims=True)
        cosines = pool[sample.owners == image].astype(np.float64) @ own.T
        np.testing.assert_allclose(cosines.max(1), 1, atol=2e-3)


def test_codes_are_averaged_widely(store: FeatureStore) -> None:
    sample, head = draw_sample(count_valid(store), np.arange(8), most=10**6, seed=0), head_of(store)
    found = encoded(store, sample, [1], smooth=0.5)[1]
    fields = [smooth_widely(codes(head, store.patches(row)), store.valid(row)).reshape(-1, 16) for row in (3, 4, 5)]
    units = np.concatenate(fields)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    np.testing.assert_allclose(found.sampled, units, atol=1e-5)


def test_codes_that_are_not_finite_are_refused(store: FeatureStore) -> None:
    sample = draw_sample(count_valid(store), np.arange(8), most=100, seed=0)
    config = HierarchyConfig(smooth=0, prototypes=8, restarts=2, iterations=10, patches=100, seed=0)
    head = linear_head(np.full((16, 16), np.inf, np.float32), np.zeros(16, np.float32))
    with pytest.raises(UsageError, match=r"not finite numbers; lower train.lr"):
        list(ShardEncoder(store, head, sample, config).encode([0], Runtime()))

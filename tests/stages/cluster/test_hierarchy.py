"""Codes that a tree is grown from, and the pool kept with it, on a planted run."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.base.runtime import Runtime
from segpipe.inference.patch_sampler import open_sample
from segpipe.nn.head import codes, linear_head
from segpipe.stages.cluster.hierarchy import HierarchyConfig, grow
from segpipe.store.features import FeatureStore
from tests.helpers.planted_run import plant

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("most", [10**6, 100])
def test_the_pool_holds_the_unit_codes_of_the_sample_in_its_order(tmp_path: Path, most: int) -> None:
    run_dir, truth = plant(tmp_path, images=6)
    store = FeatureStore(run_dir.path("features"))
    mean = np.concatenate([store.patches(row).reshape(-1, 16) for row in range(6)]).mean(0, dtype=np.float64)
    head = linear_head(np.eye(16, dtype=np.float32), mean.astype(np.float32))
    sample = open_sample(store, most=most, seed=0, track=Runtime().track)
    tree = grow(
        sample,
        np.arange(6),
        head,
        HierarchyConfig(smooth=0.0, prototypes=8, restarts=2, iterations=10, seed=0),
        origin="abc",
        workers=1,
        scratch=tmp_path,
    )
    total = sum(classes.size for classes in truth)
    assert (tree.patches, tree.of, tree.origin) == (min(most, total), total, "abc")
    assert tree.sizes.sum() == total  # the last steps see every patch, sampled or not
    assert (np.diff(tree.groups) >= 0).all()
    np.testing.assert_array_equal(tree.pool, tree.smoothed)  # without neighbors both are the codes as they are
    for image in range(6):
        own = codes(head, store.patches(image).reshape(-1, 16)).astype(np.float64)
        own /= np.linalg.norm(own, axis=1, keepdims=True)
        cosines = tree.pool[tree.groups == image].astype(np.float64) @ own.T
        np.testing.assert_allclose(cosines.max(1), 1, atol=2e-3)

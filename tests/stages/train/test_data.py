"""Training data of a planted run, against numpy on the same features."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from segpipe.stages import train
from segpipe.stages.train.data import Material
from segpipe.store.features import FeatureStore
from segpipe.store.valid_patches import Valid
from tests.helpers.planted_run import plant
from tests.stages.train.test_train import mined


def test_mean_batches_and_patches_are_of_the_stored_features(tmp_path: Path) -> None:
    run_dir = mined(tmp_path, images=5)
    store = FeatureStore(run_dir.path("features"))
    data = train.open_material(train.Config(batch=2, neighbors=2, seed=3), run_dir)
    every = [store.patches(row).reshape(-1, 16).astype(np.float64) for row in range(5)]
    np.testing.assert_allclose(data.mean, np.concatenate(every).mean(0), atol=1e-5)
    assert data.images.tolist() == [0, 1, 2, 3, 4]
    steps = [*data.batches(0, 2)]
    assert [batch.step for batch in steps] == [0, 1]
    found = [crop for batch in steps for crop in batch.anchors.tokens]
    named = [next(i for i, own in enumerate(every) if np.array_equal(crop[: len(own)], own)) for crop in found]
    assert len(set(named)) == 4  # of five crops two steps of two, the last one is left
    (again,) = data.batches(1, 2)
    assert again.anchors.tokens.tobytes() == steps[1].anchors.tokens.tobytes()
    picked = data.patches(99, 0).numpy()
    assert len(picked) == 5
    assert all((own == row).all(axis=1).any() for own, row in zip(every, picked, strict=True))
    assert len(data.patches(3, 0)) == 3
    assert not np.array_equal(data.patches(3, 0), data.patches(3, 1))


def material(tmp_path: Path, *, blank: int = 0, noise: float = 0.3, neighbors: int = 0) -> Material:
    """Six images; every crop's neighbors are the ones after it."""
    run_dir, _ = plant(tmp_path, images=6, blank=blank, noise=noise)
    store = FeatureStore(run_dir.path("features"))
    near = (np.arange(6)[:, None] + 1 + np.arange(neighbors)) % 6
    return Material(store, Valid(store), np.arange(6), near, batch=2, seed=4)


def test_principal_components_are_those_of_scikit_learn(tmp_path: Path) -> None:
    data = material(tmp_path, blank=1, noise=3.0)
    patches = np.concatenate([data.store.patches(row).reshape(-1, 16) for row in range(5)]).astype(np.float64)
    expected = PCA(4, svd_solver="full").fit(patches)
    mean, directions = data.principal_components(4)
    np.testing.assert_allclose(mean, expected.mean_, atol=1e-4)
    np.testing.assert_allclose(np.abs((directions * expected.components_).sum(1)), 1, atol=1e-4)
    assert len(data.principal_components(99)[1]) == 16


@pytest.mark.parametrize("neighbors", [0, 2])
def test_a_batch_holds_a_neighbor_of_each_anchor_where_there_are_pairs(tmp_path: Path, neighbors: int) -> None:
    data = material(tmp_path, neighbors=neighbors)
    every = [data.store.patches(row).reshape(-1, 16) for row in range(6)]

    def crop(tokens: np.ndarray) -> int:
        return next(i for i, own in enumerate(every) if np.array_equal(tokens[: len(own)], own))

    for batch in data.batches(0, 3):
        assert (batch.neighbors is None) == (neighbors == 0)
        if batch.neighbors is not None:
            pairs = zip(batch.anchors.tokens, batch.neighbors.tokens, strict=True)
            assert {(crop(near) - crop(anchor)) % 6 for anchor, near in pairs} <= {1, 2}


def test_crops_without_image_are_never_drawn(tmp_path: Path) -> None:
    data = material(tmp_path, blank=4)
    assert len(data.patches(99, 0)) == 2
    assert all(batch.anchors.valid.any(axis=1).all() for batch in data.batches(0, 6))
    assert not np.array_equal(data.patches(2, 0), replace(data, seed=5).patches(2, 0))

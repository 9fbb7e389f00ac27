"""Training data of a planted run, against numpy on the same features."""

from pathlib import Path

import numpy as np

from segpipe.stages import train
from segpipe.store.features import FeatureStore
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
    picked = data.patches(99).numpy()
    assert len(picked) == 5
    assert all((own == row).all(axis=1).any() for own, row in zip(every, picked, strict=True))
    assert len(data.patches(3)) == 3

"""The k-means baseline on planted features, against scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.inference.patch_sampler import PatchSample, open_sample
from segpipe.ops.gallery import assign
from segpipe.stages.evaluate.baseline import fit_baseline
from segpipe.store.features import FeatureStore
from tests.helpers.planted_run import plant


def sample_of(root: Path, *, most: int = 10**6, **planted: float) -> tuple[PatchSample, np.ndarray, np.ndarray]:
    """A sample of planted features, all features that show image (n, 16), and the class of each."""
    run_dir, truth = plant(root, images=10, blank=2, **planted)  # type: ignore[arg-type]
    store = FeatureStore(run_dir.path("features"))
    features = np.concatenate([store.patches(row).reshape(-1, 16) for row in range(8)]).astype(np.float64)
    classes = np.concatenate([part.ravel() for part in truth[:8]])
    return open_sample(store, most=most, seed=0, track=Runtime().track), features, classes


def test_features_are_clustered_on_the_principal_components_of_what_shows_image(tmp_path: Path) -> None:
    sample, features, classes = sample_of(tmp_path)
    model = fit_baseline(sample, k=4, components=3, seed=0, runtime=Runtime(workers=2))
    reference = PCA(3).fit(features)
    assert model.mean is not None
    assert model.components is not None
    np.testing.assert_allclose(model.mean, reference.mean_, atol=1e-5)
    np.testing.assert_allclose(abs(np.sum(model.components * reference.components_, axis=1)), 1, atol=1e-4)
    assert model.centers.shape == (4, 3)
    found, cosines = assign(model.project(features), model.centers)
    assert adjusted_rand_score(classes, found) == 1
    assert model.inertia == pytest.approx(cosines.mean(), abs=1e-4)
    # a center is the mean direction of its members
    units = reference.transform(features) * np.sign(np.sum(model.components * reference.components_, axis=1))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    for k, center in enumerate(model.centers):
        mean = units[found == k].mean(axis=0)
        np.testing.assert_allclose(center, mean / np.linalg.norm(mean), atol=1e-3)


def test_all_components_keep_the_angles_between_centered_features(tmp_path: Path) -> None:
    sample, features, _ = sample_of(tmp_path)
    model = fit_baseline(sample, k=2, components=0, seed=0, runtime=Runtime())
    centered = features - features.mean(axis=0)
    projected = model.project(features)
    assert projected.shape == features.shape
    np.testing.assert_allclose(projected @ projected[:5].T, centered @ centered[:5].T, atol=1e-3)


def test_the_seed_decides_and_workers_do_not(tmp_path: Path) -> None:
    sample, _, _ = sample_of(tmp_path, most=150, noise=3.0)
    one, two, other = (
        fit_baseline(sample, k=6, components=8, seed=seed, runtime=Runtime(workers=workers))
        for seed, workers in ((0, 1), (0, 2), (1, 1))
    )
    np.testing.assert_array_equal(one.centers, two.centers)
    assert not np.array_equal(one.centers, other.centers)


def test_a_corpus_of_one_color_is_one_cluster_and_features_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    sample, _, _ = sample_of(tmp_path / "plain", constant=True)
    assert fit_baseline(sample, k=4, components=8, seed=0, runtime=Runtime()).clusters == 1
    broken, _, _ = sample_of(tmp_path / "broken", noise=np.nan)
    with pytest.raises(UsageError, match=r"not finite numbers; check extract\.weights and run `segpipe extract` again"):
        fit_baseline(broken, k=4, components=8, seed=0, runtime=Runtime())

"""Likeness of patches: cosines by hand, places in planted features whose classes are known."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.inference.patch_likeness import (
    ImageFeatures,
    cosines_of,
    fast_cosines,
    heat,
    similar_patches,
    similar_places,
    vector_at,
)
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.valid_patches import Valid, mean_feature
from tests.helpers.planted_run import plant


def test_cosines_are_of_patches_without_the_mean() -> None:
    patches = np.array([[[4, 1], [1, 5]], [[1, 1], [-2, 1]]], np.float32)
    found = cosines_of(patches, np.array([1, 0], np.float32), np.array([1, 1], np.float32))
    np.testing.assert_array_equal(found, [[1, 0], [0, -1]])


def test_fast_cosines_are_the_same() -> None:
    rng = np.random.default_rng(0)
    mean = rng.normal(size=30).astype(np.float32)
    patches = (mean + rng.normal(size=(5, 7, 30))).astype(np.float16)
    vector = np.eye(30, dtype=np.float32)[3]
    np.testing.assert_allclose(fast_cosines(patches, vector, mean), cosines_of(patches, vector, mean), atol=1e-4)


@pytest.mark.parametrize("crops", [1, 2])
def test_the_places_that_are_like_a_place_show_its_class(tmp_path: Path, crops: int) -> None:
    run_dir, truth = plant(tmp_path, images=12, crops=crops)
    corpus, store = load_corpus(run_dir.path("corpus")), FeatureStore(run_dir.path("features"))
    mean = mean_feature(store, Valid(store), seed=0)
    view = ImageFeatures(corpus, 0, store)
    vector = vector_at(view, mean, 4, 4)
    assert np.linalg.norm(vector) == pytest.approx(1)
    wanted = truth[view.rows[-1] if crops == 1 else 0][0, 0]
    found = similar_places(vector, mean, store, corpus, Valid(store), k=8)
    assert len(found) == 8
    assert [place.cosine for place in found] == sorted((place.cosine for place in found), reverse=True)
    assert {truth[place.crop][place.box.top // 8, place.box.left // 8] for place in found} == {wanted}
    assert max(np.bincount([place.image for place in found])) <= 2
    boxes = {(place.image, place.box) for place in found}
    assert len(boxes) == len(found)
    best = similar_patches(vector, mean, store, corpus, range(len(corpus.crops)))
    assert best[0].score == pytest.approx(found[0].cosine, abs=1e-4)  # of two formulas
    warm = heat(view, vector, mean, corpus.images[0].size)
    assert warm.shape == (64, 48)
    assert warm[4, 4] > 0.5


def test_a_point_outside_the_image_is_refused(tmp_path: Path) -> None:
    run_dir, _ = plant(tmp_path, images=2)
    view = ImageFeatures(load_corpus(run_dir.path("corpus")), 0, FeatureStore(run_dir.path("features")))
    with pytest.raises(UsageError, match="is outside 000, which has 64 rows"):
        vector_at(view, np.zeros(16, np.float32), 64, 0)

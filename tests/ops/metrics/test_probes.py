"""Probes: sampling against SciPy, predictions against scikit-learn's own cross-validation and plain statements."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from segpipe.base.geometry import Box
from segpipe.ops.metrics import probes


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(1, 6), cols=st.integers(1, 6), seed=st.integers(0, 99))
def test_points_are_read_bilinearly(rows, cols, seed):
    rng = np.random.default_rng(seed)
    patches = rng.normal(size=(rows, cols, 3)).astype(np.float16)
    ys, xs = rng.uniform(-0.5, rows - 0.5, 20), rng.uniform(-0.5, cols - 0.5, 20)
    wanted = [map_coordinates(patches[..., i].astype(np.float64), [ys, xs], order=1, mode="nearest") for i in range(3)]
    np.testing.assert_allclose(probes.read_points(patches, ys, xs), np.stack(wanted, 1), atol=1e-5)


def test_drawn_pixels_are_labelled_and_uniform():
    labels = np.full((40, 50), -1)
    labels[:, :10] = 0
    labels[:, 10:40] = 1
    drawn = probes.draw_pixels(labels, count=400, seed=(0, 1))
    assert len(np.unique(drawn)) == 400
    values = labels.ravel()[drawn]
    assert values.min() == 0
    assert abs((values == 0).mean() - 0.25) < 0.08
    assert np.array_equal(drawn, probes.draw_pixels(labels, count=400, seed=(0, 1)))
    assert not np.array_equal(drawn, probes.draw_pixels(labels, count=400, seed=(0, 2)))
    assert np.array_equal(probes.draw_pixels(labels[:1], count=400, seed=(0, 1)), np.arange(40))


def blobs(seed=0, *, images=6, classes=3, each=40, spread=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=images * each)
    centers = 2 * np.eye(classes, 5)
    vectors = (centers[labels] + spread * rng.normal(size=(len(labels), 5))).astype(np.float32)
    return vectors, labels, np.repeat(np.arange(images), each)


def test_linear_probe_agrees_with_scikit_learn():
    vectors, labels, images = blobs()
    table = probes.cross_validate(probes.linear_probe, vectors, labels, images, n_classes=3, folds=3, seed=4)
    reference = cross_val_predict(
        make_pipeline(StandardScaler(), LogisticRegression(tol=1e-3, max_iter=200)),
        vectors,
        labels,
        groups=images,
        cv=GroupKFold(3, shuffle=True, random_state=4),
    )
    assert table.sum() == len(labels)
    assert np.trace(table) == (reference == labels).sum()


def test_knn_probe_is_a_vote_by_cosine():
    vectors, labels, _ = blobs(spread=0.8)
    model = probes.knn_probe().fit(vectors[:120], labels[:120])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    nearest = np.argsort(-(unit[120:] @ unit[:120].T), axis=1)[:, : probes.NEIGHBORS]
    votes = np.stack([(labels[nearest] == c).sum(1) for c in range(3)], 1)
    assert np.array_equal(model.predict(vectors[120:]), votes.argmax(1))
    few = probes.knn_probe().fit(vectors[:7], labels[:7])  # fewer than 20 vectors: all of them vote
    assert len(few.predict(vectors[:3])) == 3


class Suspicious:
    """A classifier that refuses to judge what it has seen; vectors say which image they are of."""

    def fit(self, vectors, labels):
        self.seen = set(vectors[:, 0].tolist())
        return self

    def predict(self, vectors):
        assert not self.seen & set(vectors[:, 0].tolist())
        return np.full(len(vectors), len(self.seen) % 2)


@pytest.mark.parametrize(("found", "folds"), [(2, 5), (5, 5), (13, 5), (9, 2)])
def test_an_image_is_never_split_between_folds(found, folds):
    images = np.sort(np.random.default_rng(0).integers(found, size=200))
    images[:found] = np.arange(found)
    vectors = images[:, None].astype(np.float32)
    labels = np.arange(200) % 2
    table = probes.cross_validate(Suspicious, vectors, labels, images, n_classes=2, folds=folds, seed=0)
    assert table.sum() == 200


def test_a_fold_with_one_class_is_predicted_as_that_class():
    images = np.array([0, 0, 1, 1])
    table = probes.cross_validate(
        probes.linear_probe, np.eye(4, dtype=np.float32), np.array([0, 0, 1, 1]), images, n_classes=2, folds=5, seed=0
    )
    assert np.array_equal(table, [[0, 2, 0], [2, 0, 0]])


def test_the_nearest_box_is_counted_in_sides():
    boxes = [Box(0, 0, 10, 10), Box(0, 8, 10, 30)]
    found = probes.nearest_box(boxes, np.array([5.0, 5.0, 5.0, 5.0]), np.array([5.0, 9.0, 9.9, 20.0]))
    assert found.tolist() == [0, 0, 1, 1]  # at column 9.5 both centers are 0.45 of their box's side away

"""Supervised probes: how well a simple classifier tells the labelled classes in vectors, cross-validated by image."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.base.geometry import Box
from segpipe.ops.metrics.confusion import confusion
from segpipe.records.features import FeatureHeader

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

NEIGHBORS = 20
"""Neighbours that vote in the k-NN probe."""


def draw_pixels(labels: npt.NDArray[np.integer], *, count: int, seed: tuple[int, ...]) -> Int64:
    """Choose labelled pixels uniformly, so that classes come as often as they are labelled.

    Args:
        labels: class indices of any shape, negative where there is no label.
        count: how many at most.
        seed: of the draw.

    Returns:
        (m,) sorted flat indices, m <= count, none twice.
    """
    able = np.flatnonzero(labels >= 0)
    if len(able) > count:
        able = np.random.default_rng(seed).choice(able, count, replace=False, shuffle=False)
    return np.sort(able)


def read_points(patches: npt.NDArray[np.floating], ys: Float64, xs: Float64) -> Float32:
    """Read a grid of vectors at single points, bilinearly.

    Args:
        patches: (rows, cols, d).
        ys: (m,) row positions, 0 = center of the first row; positions outside the grid take its border.
        xs: (m,) column positions.

    Returns:
        (m, d) float32.
    """
    rows, cols, _ = patches.shape
    y, x = np.clip(ys, 0, rows - 1), np.clip(xs, 0, cols - 1)
    top, left = y.astype(np.intp), x.astype(np.intp)
    bottom, right = np.minimum(top + 1, rows - 1), np.minimum(left + 1, cols - 1)
    down, across = (y - top).astype(np.float32)[:, None], (x - left).astype(np.float32)[:, None]
    grid = np.asarray(patches)

    def at(row: npt.NDArray[np.intp], col: npt.NDArray[np.intp]) -> Float32:
        return np.asarray(grid[row, col], np.float32)

    upper = at(top, left) * (1 - across) + at(top, right) * across
    lower = at(bottom, left) * (1 - across) + at(bottom, right) * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def nearest_box(boxes: Sequence[Box], ys: npt.NDArray[np.floating], xs: npt.NDArray[np.floating]) -> Int64:
    """For each pixel position (m,) the index of the box whose center is nearest, in units of the box's sides."""
    away = [
        np.maximum(abs(ys - box.top - box.height / 2) / box.height, abs(xs - box.left - box.width / 2) / box.width)
        for box in boxes
    ]
    return np.asarray(np.argmin(away, axis=0), np.int64)


def read_crops(
    header: FeatureHeader,
    boxes: Sequence[Box],
    rows: npt.NDArray[np.integer],
    cols: npt.NDArray[np.integer],
    fields: Callable[[int], Sequence[npt.NDArray[np.floating]]],
) -> list[Float32]:
    """Read vectors at pixels of an image, each from the crop whose center is nearest, in units of the crop's sides.

    Args:
        header: gives the patch grid of a crop.
        boxes: the crops.
        rows: (m,) pixels, m at least 1.
        cols: (m,)
        fields: of a crop, by its place among the boxes, grids of vectors (rows, cols, d); called once for each crop
            that a pixel is read from.

    Returns:
        For each of the fields (m, d).
    """
    y, x = rows + 0.5, cols + 0.5
    nearest = nearest_box(boxes, y, x)
    parts = []
    for crop in np.unique(nearest).tolist():
        own, box = nearest == crop, boxes[crop]
        at = header.grid(box.size).locate(y[own] - box.top, x[own] - box.left)
        parts.append([read_points(field, *at) for field in fields(crop)])
    order = np.argsort(np.argsort(nearest, kind="stable"), kind="stable")
    return [np.concatenate(found)[order] for found in zip(*parts, strict=True)]


def linear_probe() -> Any:
    """Multinomial logistic regression on standardised vectors, L2 penalty with C = 1."""
    from sklearn.linear_model import LogisticRegression  # slow to import: only evaluation pays for it
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=200, tol=1e-3))


def knn_probe() -> Any:
    """Vote of the `NEIGHBORS` training vectors with the largest cosine; all of them where there are fewer."""
    from sklearn.neighbors import KNeighborsClassifier

    class Voting(KNeighborsClassifier):  # type: ignore[misc]
        def fit(self, x: Float32, y: Int64) -> Any:
            self.n_neighbors = min(NEIGHBORS, len(x))
            return super().fit(x, y)

    return Voting(metric="cosine", algorithm="brute")


def cross_validate(
    make: Callable[[], Any],
    vectors: Float32,
    labels: Int64,
    images: Int64,
    *,
    n_classes: int,
    folds: int,
    seed: int,
) -> Int64 | None:
    """Predict every vector by a classifier that saw no vector of its image.

    Args:
        make: a fresh scikit-learn classifier.
        vectors: (m, d).
        labels: (m,) classes.
        images: (m,) which image each vector is of; an image is never split between folds.
        n_classes: number of classes.
        folds: folds; fewer where there are fewer images.
        seed: of the images' distribution to folds.

    Returns:
        (n_classes, n_classes + 1) counts of label by prediction, pooled over the folds (last column empty); None for
        fewer than two images.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import GroupKFold

    found = len(np.unique(images))
    if found < 2:
        return None
    predicted = np.full(len(labels), -1, np.int64)
    splits = GroupKFold(min(folds, found), shuffle=True, random_state=seed).split(vectors, labels, images)
    for train, test in splits:
        known = np.unique(labels[train])
        if len(known) == 1:  # nothing to learn: a classifier would refuse
            predicted[test] = known[0]
            continue
        # one thread: the matrices are small, and the result does not depend on the machine's threads
        with warnings.catch_warnings(), threadpool_limits(1):
            # stopped early it is still a classifier, judged on images it has not seen
            warnings.simplefilter("ignore", ConvergenceWarning)
            predicted[test] = make().fit(vectors[train], labels[train]).predict(vectors[test])
    return confusion(labels, predicted, n_classes=n_classes, n_clusters=n_classes)

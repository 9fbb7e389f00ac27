"""Measures of frozen features that need no labels: how variance is spread, what position explains, stray tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.ops.clustering.kmeans import assign, component_codes, spherical_kmeans
from segpipe.ops.clustering.knn import one_thread, unit_rows
from segpipe.ops.clustering.neighbor_agreement import CLASSES, weighted_agreement
from segpipe.ops.frame_places import FramePlaces

FRAME_CLASSES = 16
"""Classes of which it is asked whether they lie at the same place of every frame."""
FOLDS = 5
"""Parts of the images, each of which is predicted from the others."""
WAVES = 3
"""Half waves across the image, each way, that position is described by."""
OUTLIER = 6.0
"""Standard deviations of a normal distribution above the median from which on a token's norm is an outlier."""
_RIDGE = 1.0
_MAD = 1.4826  # median absolute deviation to standard deviation, of a normal distribution
_COMPONENTS, _WHITENED, _ITERATIONS = 64, 8, 20

Floats = npt.NDArray[np.floating]
Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


def variance_shares(features: Floats, counts: Sequence[int]) -> tuple[float, ...]:
    """The shares of the variance in so many principal components, those of largest variance.

    Args:
        features: (m, d), finite.
        counts: numbers of components.

    Returns:
        One share from 0 to 1 for each count; 0 where the features do not vary.
    """
    with threadpool_limits(1, "blas"):
        values = np.linalg.eigvalsh(
            np.cov(np.asarray(features, np.float64).T, bias=True).reshape(features.shape[1], -1)
        )
    values = values[::-1].clip(0)
    total = float(values.sum())
    return tuple(float(values[:count].sum()) / total if total > 0 else 0.0 for count in counts)


def position_share(features: Floats, places: Float64, images: Int64) -> float:
    """The share of the variance that the place in the image explains: R^2 of a ridge regression, of unseen images.

    A place is described by the products of cosines of up to three half waves down and across (the low frequencies of
    a two-dimensional DCT). Images fall into five parts; each part is predicted from the others.

    Args:
        features: (m, d), finite.
        places: (m, 2) row and column, 0 = upper or left edge, 1 = lower or right edge.
        images: (m,) image of each row.

    Returns:
        1 = features follow from the place alone, 0 = the place says nothing, a little below 0 where it misleads.

    Raises:
        ValueError: there is a single image.
    """
    kinds, image = np.unique(images, return_inverse=True)
    if len(kinds) < 2:
        raise ValueError("all patches belong to one image, so no other image can be predicted")
    waves = np.cos(math.pi * places[:, :, None] * np.arange(WAVES + 1))  # (m, 2, waves)
    x = (waves[:, 0, :, None] * waves[:, 1, None, :]).reshape(len(places), -1)[:, 1:]  # without the constant
    y, fold = np.asarray(features, np.float64), image % FOLDS
    missed = total = 0.0
    with threadpool_limits(1, "blas"):
        for part in range(min(FOLDS, len(kinds))):
            held, known = fold == part, fold != part
            x_mean, y_mean = x[known].mean(axis=0), y[known].mean(axis=0)
            centered = x[known] - x_mean
            gram = centered.T @ centered + _RIDGE * np.eye(x.shape[1])
            weights = np.linalg.solve(gram, centered.T @ (y[known] - y_mean))
            rest = y[held] - y_mean
            total += float(np.square(rest).sum())
            missed += float(np.square(rest - (x[held] - x_mean) @ weights).sum())
    return 1 - missed / total if total > 0 else 0.0


def outlier_share(norms: Floats) -> float:
    """The share of tokens whose norm is above the median by six deviations, 1.4826 median absolute deviations each.

    ViTs keep notes on the whole image in patches of little content, whose tokens then are several times as long as
    the others and say nothing of their place (Darcet et al. 2024, "Vision Transformers Need Registers", who read the
    limit off the two peaks of a histogram, another one for each network; this one is relative to the block).

    Args:
        norms: (m,) of a block's output, before the network's final norm.
    """
    middle = np.median(norms)
    deviation = _MAD * np.median(np.abs(norms - middle))
    return float(np.mean(norms > middle + OUTLIER * max(float(deviation), 1e-6 * float(middle))))


def unit_codes(features: Floats, *, whiten: bool) -> Float32:
    """Unit rows (m, c) of at most 64 principal components, as they are or so that the first do not outweigh all.

    Args:
        features: (m, d), finite.
        whiten: as `Moments.principal_components` with 8.
    """
    return unit_rows(component_codes(features, _COMPONENTS, whiten=_WHITENED if whiten else 0))[0]


def class_agreement(
    codes: Float32, queries: Int64, partners: Int64, *, seed: int, classes: Sequence[int] = CLASSES
) -> float:
    """How far patches and their partners share a class: `weighted_agreement`, mean over numbers of classes.

    Classes are those of k-means by cosine.

    Args:
        codes: (m, c) unit rows.
        queries: (q,) rows.
        partners: (q,) the row that each is compared with.
        seed: of k-means.
        classes: their numbers.
    """
    found = []
    for k in classes:
        centers = spherical_kmeans(codes, k=k, restarts=1, iterations=_ITERATIONS, seed=seed).centers
        with one_thread():
            labels, _ = assign(codes, centers)
        found.append(weighted_agreement(labels[queries], labels[partners]))
    return float(np.mean(found))


def fixed_classes(codes: Float32, places: Float64, images: Int64, *, seed: int) -> int:
    """How many of `FRAME_CLASSES` classes by k-means lie at the same place of every frame, see `FramePlaces.fixed`.

    Args:
        codes: (m, c) unit rows.
        places: (m, 2) row and column, 0 = upper or left edge, 1 = lower or right edge.
        images: (m,) image of each row.
        seed: of k-means.
    """
    centers = spherical_kmeans(codes, k=FRAME_CLASSES, restarts=1, iterations=_ITERATIONS, seed=seed).centers
    with one_thread():
        labels, _ = assign(codes, centers)
    found = FramePlaces(FRAME_CLASSES)
    for image in np.unique(images):
        own = images == image
        found.add(places[own, 0], places[own, 1], labels[own].astype(np.int64))
    return len(found.fixed())

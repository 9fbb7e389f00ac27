"""Spherical k-means: clusters by cosine (FAISS), and principal components to run it on.

Each restart is computed by one thread and several restarts run side by side, so the result does not depend on the
number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController, threadpool_limits

from segpipe.base import parallel
from segpipe.ops.clustering.knn import one_thread, unit_rows

Float32 = npt.NDArray[np.float32]

_SEEDING = 20_000  # vectors that the first centers are drawn from
_BLOCK = 1 << 16
_CHUNK = 4096  # vectors that become float64 at once


@dataclass(frozen=True, slots=True)
class Clustering:
    """The best of several restarts. Clusters are ordered by size, the largest first."""

    centers: Float32
    """(clusters, d) unit rows; fewer than asked for where there are fewer distinct vectors."""
    sizes: npt.NDArray[np.int64]
    """(clusters,) vectors in each."""
    inertia: float
    """Mean cosine of the vectors to their center; larger is tighter."""
    restarts: tuple[float, ...]
    """The same of every restart."""


def spherical_kmeans(
    vectors: npt.NDArray[np.floating], *, k: int, restarts: int, iterations: int, seed: int, workers: int = 1
) -> Clustering:
    """Cluster vectors by cosine, from k-means++ centers, several times; the tightest result is kept.

    Args:
        vectors: (m, d), any length; zero vectors have no direction and are left out. If all are zero there is one
            cluster, with any center.
        k: clusters wanted.
        restarts: independent attempts.
        iterations: steps of each.
        seed: restart i draws from (seed, i).
        workers: threads; the result does not depend on it.

    Raises:
        ValueError: a vector is not finite.
    """
    if not np.isfinite(vectors).all():
        raise ValueError("vectors to cluster must be finite")
    units, blank = unit_rows(vectors)
    if blank.any():
        units = units[~blank]
    if not len(units):  # a corpus of one color, centered
        axis = np.eye(1, vectors.shape[1], dtype=np.float32)
        return Clustering(axis, np.array([len(vectors)]), 0.0, (0.0,) * restarts)
    k = min(k, distinct(units, k))

    def attempt(restart: int) -> tuple[Float32, npt.NDArray[np.int64], float]:
        with one_thread():
            first = plus_plus(units, k, np.random.default_rng((seed, restart)))
            return _lloyd(units, first, iterations)

    found = list(parallel.thread_map(attempt, range(restarts), workers=min(workers, restarts), ahead=restarts))
    centers, sizes, inertia = max(found, key=lambda result: result[2])  # the first of equal ones
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] > 0]
    return Clustering(centers[order], sizes[order], inertia, tuple(result[2] for result in found))


def _lloyd(units: Float32, first: Float32, iterations: int) -> tuple[Float32, npt.NDArray[np.int64], float]:
    import faiss

    m, d = units.shape
    trainer = faiss.Kmeans(
        d,
        len(first),
        niter=iterations,
        spherical=True,
        min_points_per_centroid=1,  # no warning: fewer points are no error
        max_points_per_centroid=-(-m // len(first)),  # FAISS would cluster 256 per center and drop the rest
        gpu=False,
    )
    trainer.train(units, init_centroids=first)
    centers, _ = unit_rows(np.asarray(trainer.centroids))
    labels, cosines = assign(units, centers)
    return centers, np.bincount(labels, minlength=len(centers)), float(cosines.mean(dtype=np.float64))


def assign(units: Float32, centers: Float32) -> tuple[npt.NDArray[np.int64], Float32]:
    """For unit rows (m, d) the center (clusters, d) of largest cosine, the first of equal ones, and that cosine."""
    import faiss

    index = faiss.IndexFlatIP(centers.shape[1])
    index.add(np.ascontiguousarray(centers, np.float32))
    cosines, labels = index.search(units, 1)
    return labels[:, 0], cosines[:, 0]


def plus_plus(units: Float32, k: int, rng: np.random.Generator) -> Float32:
    """k-means++ centers (Arthur and Vassilvitskii, 2007) for unit rows: drawn by squared distance, 2 - 2 cosine.

    Drawn from a random sample of at most 20,000 rows.
    """
    rows = units[np.sort(rng.choice(len(units), _SEEDING, replace=False))] if len(units) > _SEEDING else units
    centers = np.empty((k, rows.shape[1]), np.float32)
    farness = np.full(len(rows), np.inf)
    for i in range(k):
        weights = np.ones(len(rows)) if i == 0 or farness.sum() == 0 else farness
        pick = int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum(), side="right"))
        centers[i] = rows[min(pick, len(rows) - 1)]
        product = np.einsum("md,d->m", rows, centers[i], dtype=np.float64)  # no BLAS: its sums depend on threads
        farness = np.minimum(farness, np.maximum(0, 2 - 2 * product))
    return centers


def distinct(units: Float32, enough: int) -> int:
    """How many rows differ by more than rounding (1e-4), counted no further than `enough`."""
    kept = np.empty((0, units.shape[1]), np.float32)
    start, stop = 0, max(4096, 2 * enough)  # the first rows nearly always settle it
    while start < len(units) and len(kept) < enough:
        kept = np.unique(np.concatenate([kept, np.round(units[start:stop], 4) + 0.0]), axis=0)
        start, stop = stop, stop + _BLOCK
    return min(len(kept), enough)


def component_codes(vectors: npt.NDArray[np.floating], count: int, *, whiten: int = 0) -> Float32:
    """Vectors (m, d) in memory along their own principal components, (m, c); see `Moments.principal_components`."""
    moments = Moments(vectors.shape[1])
    for start in range(0, len(vectors), _CHUNK):
        moments.add(vectors[start : start + _CHUNK])
    mean, directions = moments.principal_components(count, whiten=whiten)
    with threadpool_limits(1, "blas"):  # the same sums whatever the number of threads
        return np.asarray((np.asarray(vectors, np.float32) - mean) @ directions.T, np.float32)


class Moments:
    """Mean and covariance of vectors that pass by in blocks."""

    def __init__(self, dim: int) -> None:
        self._count = 0
        self._sum = np.zeros(dim)
        self._squares = np.zeros((dim, dim))
        self._blas = ThreadpoolController()

    def add(self, block: npt.NDArray[np.floating]) -> None:
        """Take in vectors (m, dim)."""
        x = np.asarray(block, np.float64)
        self._count += len(x)
        self._sum += x.sum(axis=0)
        with self._blas.limit(limits=1, user_api="blas"):  # sums that do not depend on the number of threads
            self._squares += x.T @ x

    @property
    def finite(self) -> bool:
        """Whether all numbers taken in were finite."""
        return bool(np.isfinite(self._squares).all())

    def principal_components(self, count: int, *, whiten: int = 0) -> tuple[Float32, Float32]:
        """The mean (dim,) and the `count` directions of largest variance (count, dim), largest first.

        The sign of a direction is such that its largest entry is positive.

        Args:
            count: directions wanted; fewer where vectors are shorter.
            whiten: 0 = directions of length 1. Above, each is divided by the root of its own variance plus that of the
                first direction after so many: the leading ones, of which one alone can outweigh all others, come to
                count about the same, and those of little variance stay in their proportion, as they are mostly noise.

        Raises:
            ValueError: nothing was added.
        """
        if not self._count:
            raise ValueError("no vectors to find the principal components of")
        mean = self._sum / self._count
        variances, vectors = np.linalg.eigh(self._squares / self._count - np.outer(mean, mean))
        directions = vectors[:, ::-1][:, :count].T
        largest = np.abs(directions).argmax(axis=1)[:, None]
        directions = directions * np.where(np.take_along_axis(directions, largest, axis=1) < 0, -1, 1)
        if whiten:
            own = variances[::-1].clip(0)
            scale = np.sqrt(own[:count] + own[min(whiten, len(own) - 1)])
            directions = directions / np.where(scale > 0, scale, 1)[:, None]
        return mean.astype(np.float32), directions.astype(np.float32)

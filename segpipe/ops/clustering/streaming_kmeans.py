"""Streaming k-means: spherical, over vectors that come in blocks; memory does not grow with their number.

Each block is computed by one thread and blocks are added up in their order, in float64, so the result does not depend
on the number of threads; nor on that of processes, where each counts whole blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.base import parallel
from segpipe.ops.clustering.kmeans import assign
from segpipe.ops.clustering.knn import one_thread, unit_rows

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class ClusterCounts:
    """The members of each center."""

    sums: Float64
    """(clusters, d) of their unit vectors."""
    sizes: Int64
    """(clusters,)"""
    cosines: float
    """Of all members to their center, added up."""

    @property
    def means(self) -> Float32:
        """(clusters, d), not brought to unit length; zeros for a center without members."""
        return np.asarray(self.sums / np.maximum(self.sizes, 1)[:, None], np.float32)

    @property
    def inertia(self) -> float:
        """Mean cosine of the members to their center; 0 without any."""
        return self.cosines / max(1, int(self.sizes.sum()))


def count_block(vectors: npt.NDArray[np.floating], centers: Float32) -> ClusterCounts:
    """Give each vector (m, d), of any length, to the unit center (clusters, d) of largest cosine and add them up.

    Zero vectors have no direction and are left out.
    """
    units, blank = unit_rows(vectors)
    units = units[~blank] if blank.any() else units
    sums, sizes = np.zeros(centers.shape), np.zeros(len(centers), np.int64)
    if not len(units):
        return ClusterCounts(sums, sizes, 0.0)
    with one_thread():
        labels, cosines = assign(units, centers)
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels, minlength=len(centers))
    occupied = np.flatnonzero(sizes)
    sums[occupied] = np.add.reduceat(units[order], (np.cumsum(sizes) - sizes)[occupied], axis=0, dtype=np.float64)
    return ClusterCounts(sums, sizes, float(cosines.sum(dtype=np.float64)))


def count_all(vectors: npt.NDArray[np.floating], centers: Float32, *, workers: int) -> ClusterCounts:
    """`count_block` of vectors in memory, some at a time, added up in their order.

    Args:
        vectors: (m, d), any length.
        centers: (clusters, d) unit rows.
        workers: threads; the result does not depend on it.
    """
    blocks = (vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK))
    parts = parallel.thread_map(lambda block: count_block(block, centers), blocks, workers=workers, ahead=workers + 1)
    return add_counts(parts, centers)


def add_counts(parts: Iterable[ClusterCounts], centers: Float32) -> ClusterCounts:
    """The members of centers (clusters, d) in all parts together, added up in the order given."""
    sums, sizes, cosines = np.zeros(centers.shape), np.zeros(len(centers), np.int64), 0.0
    for part in parts:
        sums, sizes, cosines = sums + part.sums, sizes + part.sizes, cosines + part.cosines
    return ClusterCounts(sums, sizes, cosines)


def move_centers(centers: Float32, members: ClusterCounts) -> Float32:
    """Lloyd's step: centers (clusters, d) at the directions of their members' means; without members one stays."""
    moved, lost = unit_rows(members.sums)
    return np.where(lost[:, None], centers, moved)

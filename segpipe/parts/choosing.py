"""Two ways to k clusters, and which of them a corpus bears.

What is there can be found again: both ways are rehearsed on halves of the images, and the one whose halves agree more
on the same patches is kept (stability, Lange et al., Neural Computation 2004). No label takes part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.base import parallel
from segpipe.ops.draws import some
from segpipe.ops.kmeans import assign, spherical_kmeans
from segpipe.ops.knn import one_thread
from segpipe.ops.tree import cut, merge
from segpipe.records.clusters import ClusterTree

SPLITS = 3
_FITTED, _ASKED = 40_000, 10_000  # patches of a half that are clustered, and patches that both halves are asked about

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Way = Callable[[Float32, int], tuple[Float32, Int64]]
"""Unit vectors (m, d) and a seed to centers (F, d) and the cluster (F,) of each."""


@dataclass(frozen=True, slots=True)
class Ways:
    """The two ways, and how many of what they look for."""

    k: int
    prototypes: int

    def tree(self, units: Float32, seed: int) -> tuple[Float32, Int64]:
        """Many small clusters, merged by average linkage."""
        found = spherical_kmeans(units, k=self.prototypes, restarts=1, iterations=15, seed=seed)
        centers, _, merges = merge(units, found.centers)
        return centers, cut(merges, self.k)

    def kmeans(self, units: Float32, seed: int) -> tuple[Float32, Int64]:
        """Plain k-means at k."""
        found = spherical_kmeans(units, k=self.k, restarts=5, iterations=25, seed=seed)
        return found.centers, np.arange(len(found.centers))


def rehearse(tree: ClusterTree, ways: Ways, *, seed: int, workers: int) -> dict[str, float]:
    """How well each way is found again, by name: mean adjusted Rand index (Hubert and Arabie, 1985) over three splits.

    Args:
        tree: its pool is split by images.
        ways: what to rehearse.
        seed: split i draws from (seed, 5, i).
        workers: threads; the result does not depend on it.

    Returns:
        Empty where all patches are of one image.
    """
    if len(np.unique(tree.owners)) < 2:
        return {}
    units = tree.pool.astype(np.float32)
    jobs: list[tuple[str, int, Way]] = [
        (name, split, way) for name, way in (("tree", ways.tree), ("kmeans", ways.kmeans)) for split in range(SPLITS)
    ]

    def run(job: tuple[str, int, Way]) -> float:
        _, split, way = job
        with one_thread():
            return agreement(units, tree.owners, way, np.random.default_rng((seed, 5, split)))

    found = list(parallel.thread_map(run, jobs, workers=min(workers, len(jobs)), ahead=len(jobs)))
    return {
        name: round(float(np.mean([mark for job, mark in zip(jobs, found, strict=True) if job[0] == name])), 6)
        for name in ("tree", "kmeans")
    }


def agreement(units: Float32, owners: npt.NDArray[np.integer], way: Way, rng: np.random.Generator) -> float:
    """Adjusted Rand index of the clusters that two random halves of the images give the same patches.

    Args:
        units: (m, d).
        owners: (m,) image of each.
        way: how to cluster a half.
        rng: of the halves and of what is sampled.
    """
    from sklearn.metrics import adjusted_rand_score  # a second to import

    images = rng.permutation(np.unique(owners))
    first = np.isin(owners, images[: len(images) // 2])
    asked = units[some(len(units), _ASKED, rng)]
    labels = []
    for half in (first, ~first):
        rows = np.flatnonzero(half)
        centers, members = way(units[rows[some(len(rows), _FITTED, rng)]], int(rng.integers(1 << 31)))
        labels.append(members[assign(asked, centers)[0]])
    return float(adjusted_rand_score(*labels))

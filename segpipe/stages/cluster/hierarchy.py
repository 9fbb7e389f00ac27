"""Cluster hierarchy: small clusters of all patches, and the tree of their merges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError
from segpipe.inference.patch_sampler import sample_counts
from segpipe.ops.clustering.linkage import merge
from segpipe.ops.clustering.neighbor_agreement import find_partners
from segpipe.ops.clustering.sampler import some
from segpipe.ops.clustering.streaming_kmeans import ClusterCounts
from segpipe.records.clusters import ClusterTree

POOL = 100_000
"""Patches kept with the tree: 26 MB with codes of 64."""
_QUERIES, _AMONG = 8000, 25_000  # patches that are compared, and those among which each one's nearest is searched

Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HierarchyConfig:
    """Settings of the tree."""

    smooth: float
    """Weight of a neighbor where codes are compared with clusters; 0 leaves all codes as they are."""
    prototypes: int
    """Small clusters."""
    restarts: int
    """Runs of k-means."""
    iterations: int
    """Steps of each."""
    patches: int
    """Most patches that these see."""
    seed: int
    """Of the sample and k-means, and of the pool, drawn from (seed, 4)."""


@dataclass(frozen=True, slots=True)
class TreeSample:
    """Which patches of a corpus a tree is grown from, drawn before any is encoded."""

    shown: Int64
    """(n,) patches of each crop that show image."""
    counts: Int64
    """(n,) those of them that the first steps of k-means see."""
    pool: Int64
    """(p,) rising: which of these are kept with the tree."""
    owners: npt.NDArray[np.int32]
    """(p,) image of each of the pool, or another number by which patches count as seen apart."""
    among: Int64
    """(a,) rising: which of the pool keep their features, for who is looked for among them."""
    queries: Int64
    """(q,) rising: for which of `among` the nearest in another image is looked for."""

    @property
    def whole(self) -> bool:
        """Whether the first steps see all patches."""
        return int(self.counts.sum()) == int(self.shown.sum())


def draw_sample(shown: Int64, groups: Int64, *, most: int, seed: int) -> TreeSample:
    """Draw the patches that a tree is grown from.

    Args:
        shown: (n,) patches of every crop that show image.
        groups: (n,) image of every crop; crops count as apart where there is a single one.
        most: patches that the first steps of k-means see.
        seed: of the draw.

    Raises:
        CorpusError: no patch shows image.
    """
    if not shown.any():
        raise CorpusError("no crop shows any image (all patches are without content), so there is nothing to cluster")
    counts = sample_counts(shown, most=most, seed=seed)
    pool = some(int(counts.sum()), POOL, np.random.default_rng((seed, 4)))
    groups = groups if len(np.unique(groups)) > 1 else np.arange(len(groups))
    owners = groups[np.searchsorted(np.cumsum(counts), pool, side="right")].astype(np.int32)
    rng = np.random.default_rng((seed, 5))
    among = some(len(pool), _AMONG if len(np.unique(owners)) > 1 else 0, rng)
    return TreeSample(shown, counts, pool, owners, among, some(len(among), _QUERIES, rng))


@dataclass(frozen=True, slots=True)
class PoolCodes:
    """What is kept of patches of the pool, in their order."""

    plain: Float16
    """(p, dim) unit codes as they are."""
    smoothed: Float16
    """(p, dim) the same, averaged with their neighbors."""
    features: Float16
    """(a, in_dim) features of those that keep them."""


@dataclass(frozen=True, slots=True)
class SmallClusters:
    """What k-means found, before anything is merged."""

    centers: Float32
    """(clusters, dim) unit rows."""
    members: ClusterCounts
    """Of all patches that show image."""
    restarts: tuple[float, ...]
    """How tight it was each time, on the sample."""
    inertia: float
    """Mean cosine of all patches to their center."""


def build_tree(sample: TreeSample, pool: PoolCodes, found: SmallClusters, *, origin: str) -> ClusterTree:
    """Merge small clusters, and keep with them what classes are chosen by.

    Args:
        sample: what the clusters were found from.
        pool: what is kept of its patches.
        found: the clusters.
        origin: what the tree is made from, kept with it.
    """
    centers, sizes, merges = merge(found.centers, found.members)
    among, queries = sample.among, sample.queries
    owners = sample.owners[among].astype(np.int64)
    nearest = find_partners(pool.features, queries, owners) if len(among) else queries
    return ClusterTree(
        centers=centers,
        sizes=sizes,
        merges=merges,
        inertia=found.inertia,
        restarts=found.restarts,
        pool=pool.plain,
        smoothed=pool.smoothed,
        groups=sample.owners,
        queries=among[queries],
        partners=among[nearest],
        patches=int(sample.counts.sum()),
        of=int(sample.shown.sum()),
        origin=origin,
    )

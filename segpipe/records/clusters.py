"""Cluster models: classes found without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

_SMOOTHEST = 1e6


@dataclass(frozen=True, slots=True)
class Split:
    """One cluster cut into parts. What belongs to the cluster belongs to the part with the nearest center."""

    cluster: int
    """The number that is cut; its largest part keeps it."""
    first: int
    """The number of the second part; the others follow."""
    centers: npt.NDArray[np.float32]
    """(centers, dim) unit rows."""
    members: Int64
    """(centers,) the part of each, 0 is the one that keeps the number."""

    def __post_init__(self) -> None:
        if self.centers.ndim != 2 or not np.isfinite(self.centers).all():
            raise ValueError(f"centers must be a finite (centers, dim) array, got {self.centers.shape}")
        if self.members.shape != (len(self.centers),) or len(np.unique(self.members)) != self.parts or self.parts < 2:
            raise ValueError(f"members {self.members.tolist()} do not make parts of {len(self.centers)} centers")
        if not 0 <= self.cluster < self.first:
            raise ValueError(f"cluster {self.cluster} cannot be cut into numbers from {self.first}")

    @property
    def parts(self) -> int:
        """How many."""
        return int(self.members.max()) + 1

    @property
    def numbers(self) -> Int64:
        """(parts,) the cluster that each part is."""
        return np.concatenate([[self.cluster], np.arange(self.first, self.first + self.parts - 1)]).astype(np.int64)


@dataclass(frozen=True, slots=True)
class ClusterModel:
    """Cosine clusters of codes, or of features projected on principal components.

    A vector x is first projected, z = (x - mean) @ components.T (identity where both are None), and a grid of them is
    smoothed over 3 x 3 patches (`smooth` above 0). It then belongs to the cluster of the center with the largest
    cosine: a cluster may have several centers.
    """

    centers: npt.NDArray[np.float32]
    """(centers, dim) unit rows."""
    inertia: float
    """Mean cosine of the fitted vectors to their center; larger is tighter."""
    members: npt.NDArray[np.int64] | None = None
    """(centers,) the cluster of each center; None where every center is a cluster of its own."""
    smooth: float = 0.0
    """Weight of a neighbor in the smoothing, against 1 of the patch itself."""
    mean: npt.NDArray[np.float32] | None = None
    """(in_dim,)"""
    components: npt.NDArray[np.float32] | None = None
    """(dim, in_dim)"""
    splits: tuple[Split, ...] = ()
    """Clusters that were cut further, in this order; each may cut a part of an earlier one."""

    def __post_init__(self) -> None:
        if self.centers.ndim != 2 or not np.isfinite(self.centers).all():
            raise ValueError(f"centers must be a finite (centers, dim) array, got {self.centers.shape}")
        if not np.allclose(np.linalg.norm(self.centers, axis=1), 1, atol=1e-3):
            raise ValueError("centers must have unit length")
        if self.members is not None:
            _check_members(self.members, len(self.centers))
        if not (np.isfinite(self.inertia) and 0 <= self.smooth <= _SMOOTHEST):
            raise ValueError(f"inertia {self.inertia} or smooth {self.smooth} is out of range")
        if (self.mean is None) != (self.components is None):
            raise ValueError("mean and components come together")
        if self.mean is not None and self.components is not None:
            if self.components.shape != (self.centers.shape[1], *self.mean.shape):
                raise ValueError(f"components are {self.components.shape}, centers {self.centers.shape}")
            if not (np.isfinite(self.mean).all() and np.isfinite(self.components).all()):
                raise ValueError("mean and components must be finite")
        count = self.whole_clusters
        for split in self.splits:
            if split.first != count or split.centers.shape[1] != self.centers.shape[1]:
                raise ValueError(f"a split numbers its parts from {split.first}, and there are {count} clusters")
            count += split.parts - 1

    @property
    def clusters(self) -> int:
        """How many clusters, parts of split ones counted."""
        return self.whole_clusters + sum(split.parts - 1 for split in self.splits)

    @property
    def whole_clusters(self) -> int:
        """How many clusters there were before any was split."""
        return len(self.centers) if self.members is None else int(self.members.max()) + 1

    @property
    def softmax_sizes(self) -> tuple[int, ...]:
        """How many classes share a softmax: all before any split, then the parts of each split."""
        return (self.whole_clusters, *(split.parts for split in self.splits))

    @property
    def flat(self) -> tuple[npt.NDArray[np.float32], Int64]:
        """All centers and the cluster of each, as if parts were clusters like the others.

        The order is that of `centers` where splits share out the centers of their cluster. Classes of masks are not
        decided by these: then a split would move the borders of the others.
        """
        centers = self.centers
        members = np.arange(len(centers)) if self.members is None else self.members.astype(np.int64)
        for split in self.splits:
            own = members == split.cluster
            if np.array_equal(centers[own], split.centers):
                members = members.copy()
                members[own] = split.numbers[split.members]
            else:
                centers = np.concatenate([centers[~own], split.centers])
                members = np.concatenate([members[~own], split.numbers[split.members]])
        return centers, members

    def project(self, vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Bring vectors (..., in_dim) to the space of the centers (..., dim)."""
        x = np.asarray(vectors, np.float32)
        if self.mean is None or self.components is None:
            return x
        return np.asarray((x - self.mean) @ self.components.T, np.float32)


def _check_members(members: Int64, centers: int) -> None:
    if members.shape != (centers,):
        raise ValueError(f"{len(members)} members for {centers} centers")
    if not np.issubdtype(members.dtype, np.integer) or ((members < 0) | (members >= centers)).any():
        raise ValueError(f"members must be clusters from 0 to {centers - 1}")


@dataclass(frozen=True, slots=True)
class ClusterTree:
    """Many small clusters, and the order in which they merge into fewer."""

    centers: npt.NDArray[np.float32]
    """(F, dim) unit rows."""
    sizes: npt.NDArray[np.int64]
    """(F,) patches in each, of all that show image."""
    merges: npt.NDArray[np.float64]
    """(F - 1, 4) as SciPy writes linkages; heights are 1 - mean cosine between members."""
    inertia: float
    """Mean cosine of the patches to their center."""
    restarts: tuple[float, ...]
    """The same of every restart, of the patches that it saw."""
    pool: npt.NDArray[np.float16]
    """(p, dim) unit codes of some of the patches, drawn evenly, as they are."""
    smoothed: npt.NDArray[np.float16]
    """(p, dim) the same, smoothed by their neighbors as the codes are that masks are made from."""
    groups: npt.NDArray[np.int32]
    """(p,) image of each; crop, where there is one image."""
    queries: Int64
    """(q,) some of the pool, by which ways to make classes are compared; none where there is a single group."""
    partners: Int64
    """(q,) of each query the patch of the pool, in another group, whose frozen features are most similar."""
    patches: int
    """Patches that the first steps of k-means saw."""
    of: int
    """Patches that show image, in the whole corpus."""
    origin: str
    """Digest of what the tree was made from."""

"""Cluster hierarchy: small clusters of all patches, and the tree of their merges."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError
from segpipe.inference.patch_sampler import Block, PatchSample
from segpipe.ops.clustering.kmeans import spherical_kmeans
from segpipe.ops.clustering.knn import unit_rows
from segpipe.ops.clustering.linkage import merge
from segpipe.ops.clustering.neighbor_agreement import find_partners
from segpipe.ops.clustering.sampler import some
from segpipe.ops.clustering.streaming_kmeans import count_all, in_memory, refine_centers
from segpipe.ops.maps.smoothing import smooth, smooth_widely
from segpipe.records.clusters import ClusterTree
from segpipe.store.scratch import Scratch

if TYPE_CHECKING:
    from segpipe.nn.head import Head

POOL = 100_000
"""Patches kept with the tree: 26 MB with codes of 64."""
_QUERIES, _AMONG = 8000, 25_000  # patches that are compared, and those among which each one's nearest is searched
_PASSES = 2  # steps of k-means over all patches, from centers that have converged on the sample

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
    seed: int
    """Of k-means, and of the pool, drawn from (seed, 4)."""


def grow(
    sample: PatchSample, groups: Int64, head: Head, config: HierarchyConfig, *, origin: str, workers: int, scratch: Path
) -> ClusterTree:
    """Find small clusters and the order in which they merge.

    They are found in codes averaged over 5 x 5 patches: what is noise in one patch would otherwise make clusters of its
    own, and average linkage keeps what is rare. k-means converges on the sample; its last steps, sizes and merges are
    those of all valid patches, whose codes are kept on disk meanwhile.

    Args:
        sample: the patches that the first steps see.
        groups: (n,) image of every crop, or another number by which patches count as seen apart.
        head: gives the codes.
        config: settings.
        origin: what the tree is made from, kept with it.
        workers: threads.
        scratch: folder on a disk with room for two bytes a number of every code; not used where the sample is whole.

    Raises:
        UsageError: some codes are not finite.
    """
    rows = some(len(sample), POOL, np.random.default_rng((config.seed, 4)))
    owners = np.repeat(groups, sample.counts)[rows]
    rng = np.random.default_rng((config.seed, 5))
    among = some(len(rows), _AMONG if len(np.unique(owners)) > 1 else 0, rng)
    with ExitStack() as stack:
        kept = None if sample.whole else stack.enter_context(Scratch(scratch, head.dim))
        encoder = _PoolEncoder(head, config.smooth, rows, among, kept)
        units, _ = unit_rows(sample.collect(encoder.encode, every=kept is not None))
        found = spherical_kmeans(
            units,
            k=config.prototypes,
            restarts=config.restarts,
            iterations=config.iterations,
            seed=config.seed,
            workers=workers,
        )
        if kept is None:
            first, inertia = found.centers, found.inertia
            members = count_all(in_memory(units), first, workers=workers)
        else:
            del units
            first, members = refine_centers(kept.blocks, found.centers, passes=_PASSES, workers=workers)
            inertia = members.inertia
    centers, sizes, merges = merge(first, members)
    queries = some(len(among), _QUERIES, rng)
    nearest = find_partners(encoder.features, queries, owners[among]) if len(among) else queries
    return ClusterTree(
        centers=centers,
        sizes=sizes,
        merges=merges,
        inertia=inertia,
        restarts=found.restarts,
        pool=encoder.pool,
        smoothed=encoder.smoothed,
        groups=owners.astype(np.int32),
        queries=among[queries],
        partners=among[nearest],
        patches=len(sample),
        of=int(sample.valid.counts().sum()),
        origin=origin,
    )


class _PoolEncoder:
    """Encodes a sample's blocks in their order and keeps the pool's codes."""

    def __init__(self, head: Head, share: float, rows: Int64, among: Int64, kept: Scratch | None) -> None:
        """Start before the first block.

        Args:
            head: gives the codes.
            share: weight of a neighbor in `smoothed`.
            rows: (p,) patches of the sample that make the pool, rising.
            among: patches of the pool whose features are kept too, rising.
            kept: takes the codes of all valid patches; None: the sample holds all of them.
        """
        self._head, self._share, self._rows, self._kept = head, share, rows, kept
        self._done = 0
        self.pool, self.smoothed = (np.empty((len(rows), head.dim), np.float16) for _ in range(2))
        self._among = rows[among]
        self.features = np.empty((len(among), head.in_dim), np.float16)

    def encode(self, block: Block) -> Float32:
        """Widely smoothed codes (m, dim) of the sampled patches of a block.

        Raises:
            UsageError: some codes are not finite.
        """
        plain, near, wide = encode_block(self._head, block, self._share)
        if not np.isfinite(wide).all():
            raise UsageError(
                "codes of some patches are not finite numbers; lower train.lr and run `segpipe train` again"
            )
        if self._kept is not None:
            self._kept.add(unit_rows(wide)[0])
            plain, near, wide = (codes[block.shown] for codes in (plain, near, wide))
        ends = (self._done, self._done + len(plain))
        first, last = np.searchsorted(self._rows, ends)
        picked = self._rows[first:last] - self._done
        self.pool[first:last], self.smoothed[first:last] = unit_rows(plain[picked])[0], unit_rows(near[picked])[0]
        first, last = np.searchsorted(self._among, ends)
        self.features[first:last] = block.tokens[block.taken][self._among[first:last] - self._done]
        self._done += len(plain)
        return wide


def encode_block(head: Head, block: Block, share: float) -> tuple[Float32, Float32, Float32]:
    """Codes (m, dim) of the valid patches: as they are, smoothed with weight `share`, and widely smoothed."""
    from segpipe.nn.head import codes

    found: tuple[list[Float32], ...] = ([], [], [])
    for field, valid in zip(codes(head, block.tokens), block.valid, strict=True):
        near, wide = (smooth(field, valid, share), smooth_widely(field, valid)) if share else (field, field)
        for into, what in zip(found, (field, near, wide), strict=True):
            into.append(what[valid])
    plain, near, wide = (np.concatenate(what) for what in found)
    return plain, near, wide

"""Grow the tree of small clusters that a corpus is cut into classes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError
from segpipe.ops.draws import some
from segpipe.ops.kmeans import spherical_kmeans
from segpipe.ops.knn import unit_rows
from segpipe.ops.smoothing import smooth, smooth_widely
from segpipe.ops.tree import merge
from segpipe.parts.sample import Block, Sample
from segpipe.records.clusters import ClusterTree

if TYPE_CHECKING:
    from segpipe.nn.head import Head

_POOL = 100_000  # patches kept with the tree: 26 MB with codes of 64

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


def grow(
    sample: Sample,
    groups: Int64,
    head: Head,
    *,
    share: float,
    prototypes: int,
    restarts: int,
    iterations: int,
    seed: int,
    origin: str,
    workers: int,
) -> ClusterTree:
    """Find small clusters and the order in which they merge.

    They are found in codes averaged over 5 x 5 patches: what is noise in one patch would otherwise make clusters of its
    own, and average linkage keeps what is rare.

    Args:
        sample: the patches.
        groups: (n,) image of every crop, or another number by which patches count as seen apart.
        head: gives the codes.
        share: weight of a neighbor where codes are compared with clusters; 0 leaves all codes as they are.
        prototypes: small clusters.
        restarts: runs of k-means.
        iterations: steps of each.
        seed: of k-means, and of the pool, drawn from (seed, 4).
        origin: what the tree is made from, kept with it.
        workers: threads.

    Raises:
        UsageError: some codes are not finite.
    """
    rows = some(len(sample), _POOL, np.random.default_rng((seed, 4)))
    pool, leaning = (np.empty((len(rows), head.dim), np.float16) for _ in range(2))
    at = 0

    def use(block: Block) -> Float32:
        nonlocal at
        plain, near, wide = encode_block(head, block, share)
        first, last = np.searchsorted(rows, (at, at + len(plain)))
        kept = rows[first:last] - at
        pool[first:last], leaning[first:last] = unit_rows(plain[kept])[0], unit_rows(near[kept])[0]
        at += len(plain)
        return wide

    vectors = sample.collect(use)
    if not np.isfinite(vectors).all():
        raise UsageError("codes of some patches are not finite numbers; lower train.lr and run `segpipe train` again")
    units, _ = unit_rows(vectors)
    found = spherical_kmeans(units, k=prototypes, restarts=restarts, iterations=iterations, seed=seed, workers=workers)
    centers, sizes, merges = merge(units, found.centers)
    return ClusterTree(
        centers=centers,
        sizes=sizes,
        merges=merges,
        inertia=found.inertia,
        restarts=found.restarts,
        pool=pool,
        leaning=leaning,
        owners=np.repeat(groups, sample.counts)[rows].astype(np.int32),
        patches=len(sample),
        of=int(sample.valid.counts().sum()),
        origin=origin,
    )


def encode_block(head: Head, block: Block, share: float) -> tuple[Float32, Float32, Float32]:
    """Codes (m, dim) of the patches that were taken: as they are, leaning on neighbors by `share`, and widely."""
    from segpipe.nn.head import codes  # brings torch: only a stage at work pays for it

    found: tuple[list[Float32], ...] = ([], [], [])
    for field, valid, taken in zip(codes(head, block.tokens), block.valid, block.taken, strict=True):
        near, wide = (smooth(field, valid, share), smooth_widely(field, valid)) if share else (field, field)
        for into, what in zip(found, (field, near, wide), strict=True):
            into.append(what[taken])
    plain, near, wide = (np.concatenate(what) for what in found)
    return plain, near, wide

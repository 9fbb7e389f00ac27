"""Grow the tree of small clusters that a corpus is cut into classes from."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError
from segpipe.inference.patch_sampler import Block, Sample
from segpipe.ops.clustering.kmeans import spherical_kmeans
from segpipe.ops.clustering.knn import unit_rows
from segpipe.ops.clustering.linkage import merge
from segpipe.ops.clustering.sampler import some
from segpipe.ops.clustering.streaming_kmeans import in_memory, settle, tally_all
from segpipe.ops.maps.smoothing import smooth, smooth_widely
from segpipe.records.clusters import ClusterTree
from segpipe.store.scratch import Scratch

if TYPE_CHECKING:
    from segpipe.nn.head import Head

POOL = 100_000
"""Patches kept with the tree: 26 MB with codes of 64."""
_PASSES = 2  # steps of k-means over all patches, from centers that have converged on the sample

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
    scratch: Path,
) -> ClusterTree:
    """Find small clusters and the order in which they merge.

    They are found in codes averaged over 5 x 5 patches: what is noise in one patch would otherwise make clusters of its
    own, and average linkage keeps what is rare. k-means converges on the sample; its last steps, sizes and merges are
    those of all valid patches, whose codes are kept on disk meanwhile.

    Args:
        sample: the patches that the first steps see.
        groups: (n,) image of every crop, or another number by which patches count as seen apart.
        head: gives the codes.
        share: weight of a neighbor where codes are compared with clusters; 0 leaves all codes as they are.
        prototypes: small clusters.
        restarts: runs of k-means.
        iterations: steps of each.
        seed: of k-means, and of the pool, drawn from (seed, 4).
        origin: what the tree is made from, kept with it.
        workers: threads.
        scratch: folder on a disk with room for two bytes a number of every code; not used where the sample is whole.

    Raises:
        UsageError: some codes are not finite.
    """
    rows = some(len(sample), POOL, np.random.default_rng((seed, 4)))
    pool, smoothed = (np.empty((len(rows), head.dim), np.float16) for _ in range(2))
    at = 0
    with ExitStack() as stack:
        kept = None if sample.whole else stack.enter_context(Scratch(scratch, head.dim))

        def use(block: Block) -> Float32:
            nonlocal at
            plain, near, wide = encode_block(head, block, share)
            if not np.isfinite(wide).all():
                raise UsageError(
                    "codes of some patches are not finite numbers; lower train.lr and run `segpipe train` again"
                )
            if kept is not None:
                kept.add(unit_rows(wide)[0])
                plain, near, wide = (codes[block.shown] for codes in (plain, near, wide))
            first, last = np.searchsorted(rows, (at, at + len(plain)))
            picked = rows[first:last] - at
            pool[first:last], smoothed[first:last] = unit_rows(plain[picked])[0], unit_rows(near[picked])[0]
            at += len(plain)
            return wide

        units, _ = unit_rows(sample.collect(use, every=kept is not None))
        found = spherical_kmeans(
            units, k=prototypes, restarts=restarts, iterations=iterations, seed=seed, workers=workers
        )
        if kept is None:
            first, inertia = found.centers, found.inertia
            members = tally_all(in_memory(units), first, workers=workers)
        else:
            del units
            first, members = settle(kept.blocks, found.centers, passes=_PASSES, workers=workers)
            inertia = members.inertia
    centers, sizes, merges = merge(first, members)
    return ClusterTree(
        centers=centers,
        sizes=sizes,
        merges=merges,
        inertia=inertia,
        restarts=found.restarts,
        pool=pool,
        smoothed=smoothed,
        owners=np.repeat(groups, sample.counts)[rows].astype(np.int32),
        patches=len(sample),
        of=int(sample.valid.counts().sum()),
        origin=origin,
    )


def encode_block(head: Head, block: Block, share: float) -> tuple[Float32, Float32, Float32]:
    """Codes (m, dim) of the valid patches: as they are, leaning on neighbors by `share`, and widely."""
    from segpipe.nn.head import codes  # brings torch: only a stage at work pays for it

    found: tuple[list[Float32], ...] = ([], [], [])
    for field, valid in zip(codes(head, block.tokens), block.valid, strict=True):
        near, wide = (smooth(field, valid, share), smooth_widely(field, valid)) if share else (field, field)
        for into, what in zip(found, (field, near, wide), strict=True):
            into.append(what[valid])
    plain, near, wide = (np.concatenate(what) for what in found)
    return plain, near, wide

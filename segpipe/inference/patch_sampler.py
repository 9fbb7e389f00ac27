"""An even sample of a corpus's patches: what is clustered, read in the same order at every pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.base import parallel
from segpipe.base.errors import CorpusError
from segpipe.base.runtime import Track
from segpipe.store.features import FeatureStore
from segpipe.store.valid_patches import Valid

_CROPS = 16  # read at once

Bools = npt.NDArray[np.bool_]
Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Block:
    """Some crops, whole: what is next to a patch may matter to its code."""

    tokens: Float16
    """(b, ROWS, COLS, d)"""
    valid: Bools
    """(b, ROWS, COLS) patches that show image."""
    taken: Bools
    """(b, ROWS, COLS) patches that belong to the sample."""

    @property
    def shown(self) -> Bools:
        """(m,) which of the valid patches belong to the sample."""
        return self.taken[self.valid]


@dataclass(frozen=True, slots=True)
class PatchSample:
    """The patches to cluster; every pass reads the same ones in the same order, some crops at a time."""

    store: FeatureStore
    valid: Valid
    counts: Int64
    """(n,) valid patches to take of each crop."""
    seed: int
    """Crop i draws from (seed, 1, i)."""
    track: Track

    def __len__(self) -> int:
        return int(self.counts.sum())

    def read(self, crops: Int64) -> Block:
        """These crops, and which of their patches belong to the sample."""
        valid = self.valid(crops)
        taken = valid.copy()
        for crop, takes in zip(crops.tolist(), taken, strict=True):
            patches = np.argwhere(takes)
            spare = len(patches) - int(self.counts[crop])
            if spare > 0:
                rng = np.random.default_rng((self.seed, 1, crop))
                takes[tuple(patches[rng.choice(len(patches), spare, replace=False)].T)] = False
        return Block(self.store.batch(crops), valid, taken)

    @property
    def whole(self) -> bool:
        """Whether all valid patches belong to it."""
        return len(self) == int(self.valid.counts().sum())

    def blocks(self, *, every: bool = False) -> Iterator[Block]:
        """All blocks, read ahead; `every`: also of crops without a patch in the sample."""
        crops = self.valid.crops if every else np.flatnonzero(self.counts)
        blocks = [crops[i : i + _CROPS] for i in range(0, len(crops), _CROPS)]
        parts = parallel.thread_map(self.read, blocks, workers=1, ahead=3)
        yield from self.track(parts, total=len(blocks), unit=f"blocks of {_CROPS} crops")

    def collect(self, use: Callable[[Block], Float32], *, every: bool = False) -> Float32:
        """Pass blocks through `use`, which gives a vector for every patch taken, (m, dim), and join them."""
        out, at = np.empty((0, 0), np.float32), 0
        for block in self.blocks(every=every):
            found = use(block)
            if not out.size:
                out = np.empty((len(self), found.shape[1]), np.float32)
            out[at : at + len(found)] = found
            at += len(found)
        return out


def sample_counts(counts: Int64, *, most: int, seed: int) -> Int64:
    """How many patches of each crop to take, so that `most` of all are taken evenly, without repeats.

    Args:
        counts: (n,) valid patches of each crop.
        most: patches wanted; all are taken where there are no more.
        seed: of the draw.
    """
    if counts.sum() <= most:
        return counts
    # the law of how an even draw of single patches falls on the crops, without a list of all patches
    rng = np.random.default_rng((seed, 0))
    return np.asarray(rng.multivariate_hypergeometric(counts, most, method="marginals"), np.int64)


def open_sample(store: FeatureStore, *, most: int, seed: int, track: Track) -> PatchSample:
    """Choose the patches to cluster.

    Raises:
        CorpusError: no patch shows image.
    """
    valid = Valid(store)
    counts = sample_counts(valid.counts(), most=most, seed=seed)
    if not counts.any():
        raise CorpusError("no crop shows any image (all patches are without content), so there is nothing to cluster")
    return PatchSample(store, valid, counts, seed, track)

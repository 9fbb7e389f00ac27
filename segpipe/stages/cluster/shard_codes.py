"""Codes of the patches of whole shards, of which a tree of clusters is grown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError
from segpipe.base.parallel import thread_map, torch_alone
from segpipe.base.runtime import Runtime
from segpipe.inference.patch_sampler import Block, PatchSample
from segpipe.ops.clustering.knn import unit_rows
from segpipe.ops.maps.smoothing import smooth, smooth_widely
from segpipe.stages.cluster.hierarchy import HierarchyConfig, PoolCodes, TreeSample
from segpipe.store.features import FeatureStore
from segpipe.store.valid_patches import Valid

if TYPE_CHECKING:
    from segpipe.nn.head import Head

_CROPS = 16  # encoded at once

Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ShardCodes:
    """What is kept of the patches of a shard, or of some crops of one, in their order."""

    sampled: Float32
    """(m, dim) unit codes of those in the sample, averaged over 5 x 5 patches."""
    every: Float16
    """(v, dim) the same of all that show image; none where the sample holds all."""
    pool: PoolCodes
    """Of those in the pool."""


class ShardEncoder:
    """Encodes shards of a store; what it gives of one does not depend on which others it encodes."""

    def __init__(self, store: FeatureStore, head: Head, sample: TreeSample, config: HierarchyConfig) -> None:
        """Read nothing yet.

        Args:
            store: of features.
            head: gives the codes.
            sample: what is kept of which patch.
            config: settings of the tree.
        """
        self._store, self._head, self._sample, self._config = store, head, sample, config
        self._spans = store.shards
        self._first = np.cumsum(sample.counts) - sample.counts
        self._kept = sample.pool[sample.among]

    def encode(self, shards: Sequence[int], runtime: Runtime) -> Iterator[tuple[int, ShardCodes]]:
        """Shards with what is kept of them, in the order given; blocks of crops are read and encoded ahead, in threads.

        Raises:
            UsageError: some codes are not finite.
        """
        workers = runtime.workers if runtime.device == "cpu" else 1  # a GPU has one queue of work
        total = sum(1 + self._blocks(int(self._shows(shard).sum())) for shard in shards)
        with torch_alone():  # the same sums whatever the number of threads
            found = thread_map(self._encode, self._read(shards, runtime), workers=workers, ahead=workers + 2)
            tracked = runtime.track(found, total=total, unit=f"blocks of {_CROPS} crops")
            for shard, parts in groupby(tracked, key=itemgetter(0)):
                yield shard, self._joined(shard, (part for _, part in parts))

    def _shows(self, shard: int) -> npt.NDArray[np.bool_]:
        """Which crops of a shard show anything."""
        span = self._spans[shard]
        return self._sample.shown[span.start : span.stop] > 0

    @staticmethod
    def _blocks(crops: int) -> int:
        return -(-crops // _CROPS)

    def _read(self, shards: Sequence[int], runtime: Runtime) -> Iterator[tuple[int, PatchSample, Int64]]:
        """Each shard's blocks of crops, none of them first, so that a shard that shows nothing has a block too."""
        for shard in shards:
            valid = Valid(self._store, self._spans[shard])
            patches = PatchSample(self._store, valid, self._sample.counts, self._config.seed, runtime.track)
            yield shard, patches, valid.crops[:0]
            for start in range(0, len(valid.crops), _CROPS):
                yield shard, patches, valid.crops[start : start + _CROPS]

    def _encode(self, what: tuple[int, PatchSample, Int64]) -> tuple[int, ShardCodes]:
        shard, patches, crops = what
        if not len(crops):
            return shard, self._nothing()
        block = patches.read(crops)
        plain, near, wide = encode_block(self._head, block, self._config.smooth)
        if not np.isfinite(wide).all():
            raise UsageError(
                "codes of some patches are not finite numbers; lower train.lr and run `segpipe train` again"
            )
        every, shown, first = unit_rows(wide)[0], block.shown, int(self._first[crops[0]])
        plain, near = plain[shown], near[shown]
        picked = _within(self._sample.pool, first, len(plain))
        pool = PoolCodes(
            plain=unit_rows(plain[picked])[0].astype(np.float16),
            smoothed=unit_rows(near[picked])[0].astype(np.float16),
            features=block.tokens[block.taken][_within(self._kept, first, len(plain))],
        )
        kept = every[:0] if self._sample.whole else every
        return shard, ShardCodes(every[shown], kept.astype(np.float16), pool)

    def _nothing(self) -> ShardCodes:
        return self._empty(0, 0, 0, 0)

    def _empty(self, sampled: int, every: int, pool: int, features: int) -> ShardCodes:
        """Room for so many codes of each kind, and features."""
        dim, half = self._head.dim, np.float16
        plain, smoothed = (np.empty((pool, dim), half) for _ in range(2))
        kept = PoolCodes(plain, smoothed, np.empty((features, self._head.in_dim), half))
        return ShardCodes(np.empty((sampled, dim), np.float32), np.empty((every, dim), half), kept)

    def _joined(self, shard: int, parts: Iterable[ShardCodes]) -> ShardCodes:
        """The blocks of a shard in their order, none of which is kept beside what it is copied to."""
        span, sample = self._spans[shard], self._sample
        sampled, shown = (int(each[span.start : span.stop].sum()) for each in (sample.counts, sample.shown))
        first = int(self._first[span.start])
        pool, features = (len(_within(rows, first, sampled)) for rows in (sample.pool, self._kept))
        whole = self._empty(sampled, 0 if sample.whole else shown, pool, features)
        ends = [0] * 5
        for part in parts:
            for i, (into, rows) in enumerate(zip(_arrays(whole), _arrays(part), strict=True)):
                into[ends[i] : ends[i] + len(rows)] = rows
                ends[i] += len(rows)
        return whole


def _arrays(codes: ShardCodes) -> tuple[npt.NDArray[np.floating], ...]:
    return codes.sampled, codes.every, codes.pool.plain, codes.pool.smoothed, codes.pool.features


def _within(rows: Int64, first: int, count: int) -> Int64:
    """Those of rising rows that lie in a block of `count` from `first` on, counted from there."""
    start, stop = np.searchsorted(rows, (first, first + count))
    return rows[start:stop] - first


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

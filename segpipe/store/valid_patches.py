"""Valid patches of a whole store, and the mean of their features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from segpipe.store.features import FeatureStore

MEAN_CROPS = 2000
_BLOCK = 4096


class Valid:
    """Which patches show image, of all crops or a span; one bit each, so that memory stays small beside the store."""

    def __init__(self, store: FeatureStore, span: range | None = None) -> None:
        span = range(len(store)) if span is None else span
        rows, cols = store.grids.max(axis=0).tolist()
        self._shape, self._first = (rows, cols), span.start
        self._bits = np.zeros((len(span), -(-rows * cols // 8)), np.uint8)
        for start in range(0, len(span), _BLOCK):
            block = store.valid_block(*_ends(span[start : start + _BLOCK]))
            self._bits[start : start + _BLOCK] = np.packbits(block.reshape(len(block), -1), axis=1)
        self.crops = span.start + np.flatnonzero(self._bits.any(axis=1))
        """Crops that show anything."""

    def __call__(self, crops: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """(m, ROWS, COLS) bool of some crops."""
        size = self._shape[0] * self._shape[1]
        return np.unpackbits(self._bits[crops - self._first], axis=1, count=size).reshape(-1, *self._shape).astype(bool)

    def counts(self) -> npt.NDArray[np.int64]:
        """(n,) valid patches of every crop."""
        return np.asarray(np.bitwise_count(self._bits).sum(axis=1), np.int64)


def _ends(span: range) -> tuple[int, int]:
    return span.start, span.stop


def count_valid(store: FeatureStore) -> npt.NDArray[np.int64]:
    """(n,) valid patches of every crop, of which some thousand crops are in memory at a time."""
    spans = (range(start, min(start + _BLOCK, len(store))) for start in range(0, len(store), _BLOCK))
    return np.concatenate([Valid(store, span).counts() for span in spans])


def sampled_blocks(
    store: FeatureStore, valid: Valid, *, seed: int, most: int = MEAN_CROPS
) -> Iterator[npt.NDArray[np.float16]]:
    """The valid patches (m, d) of a seeded sample of at most `most` crops, eight crops at a time."""
    crops = valid.crops
    if len(crops) > most:
        crops = np.sort(np.random.default_rng((seed, 0)).choice(crops, most, replace=False))
    for start in range(0, len(crops), 8):
        some = crops[start : start + 8]
        yield store.batch(some)[valid(some)]


def mean_feature(store: FeatureStore, valid: Valid, *, seed: int, most: int = MEAN_CROPS) -> npt.NDArray[np.float32]:
    """The mean of all valid patches (d,) of a seeded sample of at most `most` crops."""
    total, patches = np.zeros(store.header.dim), 0
    for tokens in sampled_blocks(store, valid, seed=seed, most=most):
        total += tokens.sum(axis=0, dtype=np.float64)
        patches += len(tokens)
    return np.asarray(total / patches, np.float32)

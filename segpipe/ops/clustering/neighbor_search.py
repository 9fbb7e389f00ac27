"""Neighbor search: for every row the rows most like it, block by block, so that blocks may be searched by anybody.

Every block of queries is searched by one thread, and blocks run side by side: the same sums in the same order whatever
the number of threads or processes, so the exact search gives the same result everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base import parallel
from segpipe.ops.clustering.knn import Kind, available, build, on_gpu, one_thread, unit_rows
from segpipe.records.pairs import PairIndex

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Found = tuple[Int64, Float32]
"""Neighbors (m, k) of some rows, and their cosines."""

_BLOCK_BYTES = 64 << 20
_EVEN = 4  # blocks are a multiple of so many, whatever the number of threads: sums may depend on a block's size
_GPU_DEPTH = 2048  # more neighbors of a row a GPU index does not find
_ROWS_AT_ONCE = 1024  # queries of a block, at most
_SPARE = 8  # searched beyond k, so that vectors of equal score at the end of the list are ordered by their index


class NeighborSearch:
    """For each row the k other rows of largest cosine, largest first, equal ones by ascending index.

    A row that is blank (zero or not finite) is nobody's neighbor. Its own list is filled with the first rows that
    are not blank, at score 0. Approximate kinds search a row exactly where they find fewer than k.
    """

    def __init__(
        self,
        vectors: npt.NDArray[np.floating],
        *,
        k: int,
        groups: Int64 | None = None,
        kind: Kind = "exact",
        device: str = "cpu",
        index: Any = None,
    ) -> None:
        """Cut the rows into blocks.

        Args:
            vectors: (n, d), any length.
            k: neighbors per row, at most `available(...)`.
            groups: (n,) rows of one group are never paired; by default each row is its own group.
            kind: exact (n^2 d operations), or inverted lists (ivf), or a graph (hnsw).
            device: where the index is searched: a GPU for `cuda`, if FAISS was built for one. Sums are rounded in
                another order there; hnsw has no such search.
            index: what `index` of such a search was; None builds it.

        Raises:
            ValueError: k is larger than what is available.
        """
        n = len(vectors)
        self._k, self._kind, self._device, self._given = k, kind, device, index
        self._groups = np.arange(n) if groups is None else np.asarray(groups, np.int64)
        self._units, blank = unit_rows(vectors)
        most = available(self._groups, blank)
        if k > most:
            raise ValueError(f"k={k}, but only {most} other rows can be paired with every row")
        self._rows = np.flatnonzero(~blank)  # index row -> row of `vectors`
        self._depth, self.blocks = 0, list[Int64]()
        if k == 0 or n == 0:
            return
        largest = int(np.unique(self._groups[self._rows], return_counts=True)[1].max())
        self._depth = min(len(self._rows), k + largest + _SPARE)
        per_block = int(np.clip(_BLOCK_BYTES // (4 * self._depth * vectors.shape[1]), 1, _ROWS_AT_ONCE))
        count = -(-len(self._rows) // per_block)  # made a multiple: as much for every thread
        self.blocks = np.array_split(self._rows, min(len(self._rows), -(-count // _EVEN) * _EVEN))

    @cached_property
    def index(self) -> Any:
        """The FAISS index of the rows that are not blank."""
        if self._given is not None:
            return self._given
        every = len(self._rows) == len(self._units)
        return build(self._units if every else self._units[self._rows], self._kind, depth=self._depth)

    @cached_property
    def _moved(self) -> Any:
        """The index on a GPU, None where it stays where it is."""
        movable = self._device.startswith("cuda") and self._kind != "hnsw" and self._depth <= _GPU_DEPTH
        return on_gpu(self.index, self._device) if movable else None

    def block(self, number: int) -> Found:
        """The neighbors of the rows `blocks[number]`, and their scores."""
        queries, k = self.blocks[number], self._k
        with one_thread():
            index = self.index if self._moved is None else self._moved
            _, places = index.search(self._units[queries], self._depth)
        ids = np.where(places >= 0, self._rows[places], -1)  # FAISS pads with -1
        ids, scores = _ordered(self._units, queries, ids, self._groups)
        short = (ids[:, :k] < 0).any(axis=1)
        if short.any():
            ids[short, :k], scores[short, :k] = _exact(self._units, queries[short], self._rows, self._groups, k)
        return ids[:, :k], scores[:, :k].astype(np.float32)

    def some(self, numbers: Iterable[int], *, workers: int) -> Iterable[Found]:
        """Some blocks in the order given, in threads; the result does not depend on how many."""
        _ = self.index, self._moved  # built before there are threads that would each build it
        # a GPU has one queue of work, and its memory is not shared among threads
        workers = 1 if self._moved is not None else workers
        return parallel.thread_map(self.block, numbers, workers=workers, ahead=workers + 2)

    def join(self, found: Iterable[Found]) -> PairIndex:
        """The neighbors of all rows, of what all blocks have found, in order."""
        n, k = len(self._units), self._k
        if not self.blocks:
            return PairIndex(np.zeros((n, k), np.int64), np.zeros((n, k), np.float32))
        # (only blank rows keep what is here first)
        neighbors, scores = np.tile(self._rows[:k], (n, 1)), np.zeros((n, k), np.float32)
        for queries, (ids, cosines) in zip(self.blocks, found, strict=True):
            neighbors[queries], scores[queries] = ids, cosines
        return PairIndex(neighbors, scores)


def _ordered(units: Float32, queries: Int64, ids: Int64, groups: Int64) -> tuple[Int64, npt.NDArray[np.float64]]:
    """Score candidates in float64, where equal vectors score equal, and sort; refused ones go last as -1."""
    from segpipe.ops.clustering.knn_loops import score

    refused = (ids < 0) | (groups[ids] == groups[queries][:, None])
    scores = np.empty(ids.shape)
    score(units, queries, ids, scores)
    order = np.lexsort((ids, np.where(refused, np.inf, -scores)), axis=1)
    ids = np.take_along_axis(np.where(refused, -1, ids), order, axis=1)
    return ids, np.take_along_axis(scores, order, axis=1)


def _exact(units: Float32, queries: Int64, rows: Int64, groups: Int64, k: int) -> tuple[Int64, npt.NDArray[np.float64]]:
    """Search a few rows by plain products; for those an approximate index left short."""
    ids, scores = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
    for i, query in enumerate(queries):
        candidates = rows[groups[rows] != groups[query]]
        cosines = (units[candidates] @ units[query]).astype(np.float64)
        best = np.lexsort((candidates, -cosines))[:k]
        ids[i], scores[i] = candidates[best], cosines[best]
    return ids, scores

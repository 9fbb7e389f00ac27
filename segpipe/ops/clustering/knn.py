"""Nearest neighbors by cosine: exact, or approximate where n^2 is too much (FAISS).

Bytes of an index per vector of length d, beside the 4 d of the vectors: exact 4 d, ivf d + 8 (numbers of 8 bits, each
candidate is then scored in full), hnsw 4 d + 272.

Every block of queries is searched by one thread, and blocks run side by side: the same sums in the same order whatever
the number of threads, so the exact search gives the same result everywhere. An HNSW graph is built by all threads at
once and may differ from one run to the next; the two others do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from segpipe.base import parallel
from segpipe.records.pairs import PairIndex

Kind = Literal["exact", "ivf", "hnsw"]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

_BLOCK_BYTES = 64 << 20
_EVEN = 4  # blocks are a multiple of so many, whatever the number of threads: sums may depend on a block's size
_GPU_DEPTH = 2048  # more neighbors of a row a GPU index does not find
_ROWS = 256  # brought to unit length at once, in float64: few enough for the cache of a processor
_SPARE = 8  # searched beyond k, so that vectors of equal score at the end of the list are ordered by their index


def unit_rows(vectors: npt.NDArray[np.floating]) -> tuple[Float32, npt.NDArray[np.bool_]]:
    """Scale rows to unit length.

    Args:
        vectors: (n, d).

    Returns:
        (n, d) float32 rows of length 1, and (n,) which rows are blank: zero or not finite. Blank rows are zero.
    """
    units, blank = np.empty(vectors.shape, np.float32), np.empty(len(vectors), bool)
    for start in range(0, len(vectors), _ROWS):
        block = vectors[start : start + _ROWS].astype(np.float64)
        norms = np.linalg.norm(block, axis=1)
        lost = ~np.isfinite(norms) | (norms == 0)
        norms[lost] = 1
        block /= norms[:, None]
        block[lost] = 0
        units[start : start + _ROWS], blank[start : start + _ROWS] = block, lost
    return units, blank


@contextmanager
def one_thread() -> Iterator[None]:
    """Let FAISS and its BLAS use one thread in the calling thread, for sums that do not depend on the machine."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def available(groups: Int64, blank: npt.NDArray[np.bool_]) -> int:
    """The largest k for which every row that is not blank has k others to pair with, outside its own group.

    Args:
        groups: (n,) group of each row.
        blank: (n,) rows that are nobody's neighbor.
    """
    if blank.all():
        return 0
    _, members = np.unique(groups[~blank], return_counts=True)
    return int(members.sum() - members.max())


def search(
    vectors: npt.NDArray[np.floating],
    *,
    k: int,
    groups: Int64 | None = None,
    kind: Kind = "exact",
    workers: int = 1,
    device: str = "cpu",
) -> PairIndex:
    """For each row the k other rows of largest cosine, largest first, equal ones by ascending index.

    A row that is blank (zero or not finite) is nobody's neighbor. Its own list is filled with the first rows that
    are not blank, at score 0. Approximate kinds search a row exactly where they find fewer than k.

    Args:
        vectors: (n, d), any length.
        k: neighbors per row, at most `available(...)`.
        groups: (n,) rows of one group are never paired; by default each row is its own group.
        kind: exact (n^2 d operations), or inverted lists (ivf), or a graph (hnsw).
        workers: threads; results do not depend on it (but see hnsw above).
        device: where the index is searched: a GPU for `cuda`, if FAISS was built for one. Sums are rounded in another
            order there; hnsw has no such search.

    Raises:
        ValueError: k is larger than what is available.
    """
    n = len(vectors)
    groups = np.arange(n) if groups is None else np.asarray(groups, np.int64)
    units, blank = unit_rows(vectors)
    most = available(groups, blank)
    if k > most:
        raise ValueError(f"k={k}, but only {most} other rows can be paired with every row")
    found = PairIndex(np.zeros((n, k), np.int64), np.zeros((n, k), np.float32)) if k == 0 or n == 0 else None
    if found is not None:
        return found
    rows = np.flatnonzero(~blank)  # index row -> row of `vectors`
    largest = int(np.unique(groups[rows], return_counts=True)[1].max())
    depth = min(len(rows), k + largest + _SPARE)
    index = build(units if len(rows) == n else units[rows], kind, depth=depth)
    moved = _on_gpu(index, device) if device.startswith("cuda") and kind != "hnsw" and depth <= _GPU_DEPTH else None
    if moved is not None:
        index, workers = moved, 1  # one queue of work; its memory is not shared among threads

    def one_block(queries: Int64) -> tuple[Int64, npt.NDArray[np.float64]]:
        with one_thread():
            _, places = index.search(units[queries], depth)
        ids = np.where(places >= 0, rows[places], -1)  # FAISS pads with -1
        ids, scores = _ordered(units, queries, ids, groups)
        short = (ids[:, :k] < 0).any(axis=1)
        if short.any():
            ids[short, :k], scores[short, :k] = _exact(units, queries[short], rows, groups, k)
        return ids[:, :k], scores[:, :k]

    per_block = int(np.clip(_BLOCK_BYTES // (4 * depth * units.shape[1]), 1, 1024))
    count = -(-len(rows) // per_block)
    blocks = np.array_split(rows, min(len(rows), -(-count // _EVEN) * _EVEN))  # as much for every thread
    neighbors, scores = _of_blank(n, k, rows), np.zeros((n, k), np.float32)
    results = parallel.thread_map(one_block, blocks, workers=workers, ahead=workers + 2)
    for queries, (ids, cosines) in zip(blocks, results, strict=True):
        neighbors[queries], scores[queries] = ids, cosines
    return PairIndex(neighbors, scores)


def build(units: Float32, kind: Kind, *, depth: int) -> Any:
    """A FAISS index of unit rows (n, d), to be searched for `depth` of them by inner product.

    Inverted lists are found by k-means of at most 64 vectors a list, and hold numbers of 8 bits.
    """
    import faiss

    n, d = units.shape
    index: Any
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(d, 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 80
        index.hnsw.efSearch = max(64, 2 * depth)
    elif kind == "ivf":
        lists = max(1, min(round(4 * np.sqrt(n)), n // 39))  # FAISS wants 39 training points per list
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(d), d, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        index.nprobe = min(lists, max(16, lists // 32))
        index.cp.max_points_per_centroid = 64
        with one_thread():
            index.train(units)
    else:
        index = faiss.IndexFlatIP(d)
    index.add(units)
    return index


def _on_gpu(index: Any, device: str) -> Any:
    """The same index in the memory of `cuda` or `cuda:1`; None where FAISS can use no GPU. Not tested on a GPU."""
    import faiss

    if not getattr(faiss, "get_num_gpus", lambda: 0)():
        return None
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), int(device.partition(":")[2] or 0), index)


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


def _of_blank(n: int, k: int, rows: Int64) -> Int64:
    """(n, k): the first rows that are not blank, k of them, for every row (only blank rows keep this)."""
    return np.tile(rows[:k], (n, 1))

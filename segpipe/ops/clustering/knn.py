"""Indexes of unit rows by which nearest neighbors are found: exact, or approximate where n^2 is too much (FAISS).

Bytes of an index per vector of length d, beside the 4 d of the vectors: exact 4 d, ivf d + 8 (numbers of 8 bits, each
candidate is then scored in full), hnsw 4 d + 272.

An HNSW graph is built by all threads at once and may differ from one run to the next; the two others do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["exact", "ivf", "hnsw"]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

_ROWS = 256  # brought to unit length at once, in float64: few enough for the cache of a processor


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


def on_gpu(index: Any, device: str) -> Any:
    """The same index in the memory of `cuda` or `cuda:1`; None where FAISS can use no GPU. Not tested on a GPU."""
    import faiss

    if not getattr(faiss, "get_num_gpus", lambda: 0)():
        return None
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), int(device.partition(":")[2] or 0), index)

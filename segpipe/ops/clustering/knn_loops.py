"""Compiled loop that scores the candidates of a nearest-neighbor search."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.base.jit import compiled_sums

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@compiled_sums
def score(units: Float32, queries: Int64, ids: Int64, out: npt.NDArray[np.float64]) -> None:
    """Products of rows `queries` (q,) with rows `ids` (q, c), -1 for the last, each summed up in float64 in one order.

    So that equal rows score equal, wherever they stand among the candidates.
    """
    for q in range(len(queries)):
        own = units[queries[q]]
        for c in range(ids.shape[1]):
            other, total = units[ids[q, c]], 0.0
            for i in range(units.shape[1]):
                total += np.float64(own[i]) * np.float64(other[i])
            out[q, c] = total

"""The compiled loop that scores candidates of a search."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.base.jit import compiled

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@compiled
def score(units: Float32, queries: Int64, ids: Int64, out: npt.NDArray[np.float64]) -> None:
    """Products of rows `queries` (q,) with rows `ids` (q, c), -1 for the last, each summed up in float64 in one order.

    So that equal rows score equal, wherever they stand among the candidates.
    """
    for q in range(len(queries)):
        for c in range(ids.shape[1]):
            own, other, whole = units[queries[q]], units[ids[q, c]], units.shape[1] // 4 * 4
            first, second, third, fourth = 0.0, 0.0, 0.0, 0.0  # sums that do not wait for each other
            for i in range(0, whole, 4):
                first += np.float64(own[i]) * np.float64(other[i])
                second += np.float64(own[i + 1]) * np.float64(other[i + 1])
                third += np.float64(own[i + 2]) * np.float64(other[i + 2])
                fourth += np.float64(own[i + 3]) * np.float64(other[i + 3])
            for i in range(whole, units.shape[1]):
                first += np.float64(own[i]) * np.float64(other[i])
            out[q, c] = (first + second) + (third + fourth)

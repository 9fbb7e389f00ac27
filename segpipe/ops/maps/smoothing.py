"""Smoothing of codes: weighted means over 3 x 3 or 5 x 5 patches.

What a single patch shows is noisy, and things are mostly larger than one patch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


def smooth(field: npt.NDArray[np.floating], valid: npt.NDArray[np.bool_], share: float) -> Float32:
    """Directions of codes, each averaged with those of its eight neighbors.

    Args:
        field: (rows, cols, d), any length; zero vectors have no direction and count as zeros.
        valid: (rows, cols); other patches take no part and become zeros.
        share: weight of a neighbor against 1 of the patch itself; with 0 the field is returned as it is.

    Returns:
        (rows, cols, d) float32, vectors of length at most 1.
    """
    if share == 0:
        return np.asarray(field, np.float32)
    units = np.where(valid[..., None], field, 0).astype(np.float32)
    lengths = np.sqrt(np.einsum("rcd,rcd->rc", units, units))
    units /= np.where(lengths > 0, lengths, 1)[..., None]
    total, weights = units.copy(), valid.astype(np.float32)
    for to_rows, from_rows, to_cols, from_cols in _shifts():
        total[to_rows, to_cols] += np.float32(share) * units[from_rows, from_cols]
        weights[to_rows, to_cols] += np.float32(share) * valid[from_rows, from_cols]
    total *= (valid / np.maximum(weights, 1))[..., None]
    return total


def smooth_widely(field: npt.NDArray[np.floating], valid: npt.NDArray[np.bool_]) -> Float32:
    """Codes averaged over 5 x 5 patches, the nearer ones counting more: two plain means over 3 x 3 patches.

    Args:
        field: (rows, cols, d).
        valid: (rows, cols); other patches take no part and become zeros.

    Returns:
        (rows, cols, d) float32, vectors of length at most 1.
    """
    return smooth(smooth(field, valid, 1), valid, 1)


def _shifts() -> Iterator[tuple[slice, slice, slice, slice]]:
    """For each of eight directions: rows to add to, rows to add from, and the same of columns."""
    ahead, whole, behind = (
        (slice(None, -1), slice(1, None)),
        (slice(None), slice(None)),
        (slice(1, None), slice(None, -1)),
    )
    for rows in (ahead, whole, behind):
        for cols in (ahead, whole, behind):
            if rows is not whole or cols is not whole:
                yield (*rows, *cols)

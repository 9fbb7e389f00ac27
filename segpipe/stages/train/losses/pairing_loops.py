"""Compiled loops that find the four patches around each point of a training step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.base.jit import compiled

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


@compiled
def locate(coords: Float32, crops: Int64, grids: Int64, firsts: Int64, rows: Int32, shares: Float32) -> None:
    """The four patches around each point and what each counts, by bilinear interpolation.

    Args:
        coords: (M, P, 2) of (x, y) in [-1, 1], the centers of the first and last patch.
        crops: (M,) that the points lie on.
        grids: (crops, 2) rows and columns.
        firsts: (crops,) row at which each begins in a table of tokens.
        rows: (M, P, 4) of that table, filled.
        shares: (M, P, 4) filled.
    """
    for m in range(len(crops)):
        crop = crops[m]
        cols = grids[crop, 1]
        below, right = grids[crop, 0] - 1, cols - 1
        for p in range(coords.shape[1]):
            x = min(max((coords[m, p, 0] + 1.0) / 2 * right, 0.0), float(right))
            y = min(max((coords[m, p, 1] + 1.0) / 2 * below, 0.0), float(below))
            x0, y0 = int(x), int(y)
            wx, wy = x - x0, y - y0
            first, second = firsts[crop] + y0 * cols, firsts[crop] + min(y0 + 1, below) * cols
            x1 = min(x0 + 1, right)
            rows[m, p, 0], rows[m, p, 1], rows[m, p, 2], rows[m, p, 3] = (
                first + x0,
                first + x1,
                second + x0,
                second + x1,
            )
            shares[m, p, 0], shares[m, p, 1] = (1 - wy) * (1 - wx), (1 - wy) * wx
            shares[m, p, 2], shares[m, p, 3] = wy * (1 - wx), wy * wx


@compiled
def shorten(rows: Int32, firsts: Int64, starts: Int64, patches: Int64, readers: Int32) -> int:
    """Number only those rows of a table that are read, in their order.

    Args:
        rows: (E,) of the table, numbered anew.
        firsts: (crops + 1,) row at which each crop begins in the table, and its length.
        starts: (crops + 1,) filled with the same of the shorter table.
        patches: (length,) filled as far as the shorter table goes: which patch of its crop each row is.
        readers: (length + 1,) filled as far: where the entries of each row begin if they are sorted by row.

    Returns:
        The length of the shorter table.
    """
    times = np.zeros(firsts[-1], np.int32)
    for row in rows:
        times[row] += 1
    count, entries = 0, 0
    for crop in range(len(firsts) - 1):
        starts[crop] = count
        for row in range(firsts[crop], firsts[crop + 1]):
            if times[row] > 0:
                patches[count], readers[count] = row - firsts[crop], entries
                entries += times[row]
                times[row] = count
                count += 1
    starts[-1], readers[count] = count, entries
    for i in range(len(rows)):
        rows[i] = times[rows[i]]
    return count


@compiled
def turn(rows: Int32, shares: Float32, readers: Int32, points: Int32, counts: Float32) -> None:
    """Sort by row what reads it, in order.

    Args:
        rows: (E,) of a table, four for each point.
        shares: (E,) of each.
        readers: (T,) where the entries of each row begin once they are sorted.
        points: (E,) filled with the points that read.
        counts: (E,) filled with their shares.
    """
    at = readers.copy()
    for i in range(len(rows)):
        place = at[rows[i]]
        at[rows[i]] += 1
        points[place], counts[place] = i // 4, shares[i]

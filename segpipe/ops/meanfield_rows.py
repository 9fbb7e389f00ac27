"""The compiled loops by which probabilities become rows of class values, rows narrower ones, and probabilities again.

Between steps probabilities are stored in 16 bits, as parts of `FULL`: half the memory to wait for, and no farther than
1e-5 from what they are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.base.jit import compiled

Float32 = npt.NDArray[np.float32]
Shares = npt.NDArray[np.uint16] | Float32
Int64 = npt.NDArray[np.int64]

FULL = 65535
_LINE = 16  # floats in a cache line


@compiled
def enter(probabilities: Float32, least: float, width: int, prior: Float32, q: Shares, first: int, last: int) -> None:
    """Pixels `first` to `last` - 1 of (n, classes) probabilities become rows of prior and, scaled to sum to 1, of q."""
    one, half, sums = np.float32(1), np.float32(0.5), np.empty(_LINE, np.float32)
    classes = probabilities.shape[1]
    for block in range(first, last, _LINE):  # a cache line of pixels of each class, should classes lie apart
        end = min(block + _LINE, last)
        sums[:] = 0
        for c in range(classes):
            for pixel in range(block, end):
                value = probabilities[pixel, c]
                value = value if value > least else least
                value = value if value < one else one
                prior[pixel * width + c] = value
                sums[pixel - block] += value
        for pixel in range(block, end):
            share = np.float32(FULL) / sums[pixel - block]
            for c in range(classes, width):
                prior[pixel * width + c] = 0
            for c in range(width):
                q[pixel * width + c] = np.uint16(prior[pixel * width + c] * share + half)


@compiled
def narrow(
    q: Shares,
    prior: Float32,
    width: int,
    kept: Int64,
    gone: Int64,
    levels: Float32,
    rest: Float32,
    new_q: Shares,
    new_prior: Float32,
    new_width: int,
    first: int,
    last: int,
) -> None:
    """Pixels `first` to `last` - 1: columns `kept` go to narrower rows, numerators of columns `gone` to rest."""
    for pixel in range(first, last):
        old, new, summed = pixel * width, pixel * new_width, np.int64(0)
        for c in range(new_width):
            new_q[new + c], new_prior[new + c] = 0, 0
        for c in range(len(kept)):
            new_q[new + c], new_prior[new + c] = q[old + kept[c]], prior[old + kept[c]]
        for c in range(len(gone)):
            summed += np.int64(q[old + gone[c]])
        rest[pixel] += np.float32(summed) / np.float32(FULL) * levels[pixel]


@compiled
def leave(
    q: Shares,
    one: float,
    width: int,
    columns: Int64,
    classes: Int64,
    then: Float32,
    now: Float32,
    out: Float32,
    first: int,
    last: int,
) -> None:
    """Pixels `first` to `last` - 1: columns of rows become classes of out, times `then` / `now` if these are given."""
    for pixel in range(first, last):
        factor = (then[pixel] / now[pixel] if len(then) else np.float32(1)) / one
        for c in range(len(columns)):
            out[pixel, classes[c]] = q[pixel * width + columns[c]] * factor

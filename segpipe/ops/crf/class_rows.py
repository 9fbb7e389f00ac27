"""The compiled loops by which probabilities become rows of class values, rows narrower ones, and probabilities again.

Between steps probabilities are stored in 16 bits, as parts of `FULL`: half the memory to wait for, and no farther than
1e-5 from what they are. Places are computed as unsigned numbers, or read by `at`, where numba would else ask for each
number whether its place counts from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.jit import compiled
from segpipe.ops.crf.simd import at, full, load, plus, scale, store, total

Float32 = npt.NDArray[np.float32]
Shares = npt.NDArray[np.uint16] | Float32
Int64 = npt.NDArray[np.int64]

FULL = 65535
_LINE = 16  # floats in a cache line


@compiled
def enter(
    like: Any,
    probabilities: Float32,
    next_pixel: int,
    next_class: int,
    classes: int,
    least: float,
    prior: Float32,
    q: Shares,
    first: int,
    last: int,
) -> None:
    """Pixels `first` to `last` - 1 of flat probabilities become rows of prior and, scaled to sum to 1, of q."""
    lanes, width, one = like[0], len(like) * len(like[0]), np.float32(1)
    part = np.zeros(_LINE * width, np.float32)
    for block in range(first, last, _LINE):  # a cache line of pixels of each class, should classes lie apart
        size = min(_LINE, last - block)
        for c in range(classes):
            for i in range(size):
                value = at(probabilities, (block + i) * next_pixel + c * next_class)
                value = value if value > least else least
                part[np.uint64(i * width + c)] = value if value < one else one
        for i in range(size):
            summed = full(lanes, np.float32(0))
            for c in range(0, width, len(lanes)):
                row = load(lanes, part, i * width + c)
                store(prior, (block + i) * width + c, row)
                summed = plus(summed, row)
            share = np.float32(FULL) / total(summed)
            for c in range(0, width, len(lanes)):
                store(q, (block + i) * width + c, scale(share, load(lanes, part, i * width + c)))


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
        for c in range(len(kept)):
            new_q[np.uint64(new + c)] = at(q, old + at(kept, c))
            new_prior[np.uint64(new + c)] = at(prior, old + at(kept, c))
        for c in range(len(kept), new_width):
            new_q[np.uint64(new + c)], new_prior[np.uint64(new + c)] = 0, 0
        for c in range(len(gone)):
            summed += np.int64(at(q, old + at(gone, c)))
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
            out[pixel, np.uint64(at(classes, c))] = at(q, pixel * width + at(columns, c)) * factor

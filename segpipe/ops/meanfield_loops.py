"""The compiled loops of a mean-field step on permutohedral lattices.

Rows of class values lie one after the other in flat arrays. Their shape is a tuple of tuples, `like`: as many as a row
has vectors, each as long as a vector has lanes, so that LLVM knows both when it compiles. What takes the time is waiting
for rows that are in no cache, so that every loop asks for them well before it needs them. Every number is the same sum
in the same order however the loops are cut into ranges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.jit import compiled
from segpipe.ops.lanes import (
    exp,
    full,
    larger,
    largest,
    load,
    load_shares,
    muladd,
    plus,
    prefetch,
    scale,
    store,
    store_shares,
    times,
    total,
)

Float32 = npt.NDArray[np.float32]
Shares = npt.NDArray[np.uint16] | Float32
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

_LINE = 16  # floats in a cache line
_AHEAD_PIXELS = 6  # how far ahead rows are asked for: enough to hide the memory, not so far that they are evicted
_AHEAD_SHARES = 24
_AHEAD_MEMBERS = 12
FULL = 65535  # what a probability of 1 is stored as
_VECTOR = (0,) * 8
BATCH = 8  # pixels that go through each loop of an update together, so that none waits for itself
BLOCK = 1024  # pixels whose scores are summed together, so that sums do not depend on the number of threads
_NEAR, _FAR = 3, 6  # corners of a simplex of the plane, and of position and colour together


@compiled
def _width(like: Any) -> int:
    return len(like) * len(like[0])


@compiled
def ask_row(like: Any, array: Float32, row: int) -> None:
    """Prefetch a row of a flat array."""
    for c in range(0, _width(like), _LINE):
        prefetch(array, row * _width(like) + c)


@compiled
def splat(
    like: Any, starts: Int64, pixels: Int32, shares: Float32, q: Float32, v: Float32, first: int, last: int
) -> None:
    """Vertices `first` to `last` - 1: row of v = sum over the pixels around it of share x row of q."""
    lanes, width = like[0], _width(like)
    for vertex in range(first, last):
        begin, end = starts[vertex], starts[vertex + 1]
        for c in range(0, width, len(lanes)):
            row = full(lanes, np.float32(0))
            for k in range(begin, end):
                if c == 0:
                    ask_row(like, q, np.int64(pixels[min(k + _AHEAD_SHARES, len(pixels) - 1)]))
                row = muladd(shares[k], load_shares(lanes, q, np.int64(pixels[k]) * width + c), row)
            store(v, vertex * width + c, row)


@compiled
def blur(like: Any, members: Int32, v: Float32, first: int, last: int) -> None:
    """Along chains of neighbors, in place: row += half the sum of the rows before and after it, as they were.

    `members` from `first` to `last` - 1 are vertices, chain after chain; the last of a chain is written as ~vertex.
    """
    lanes, width, half = like[0], _width(like), np.float32(0.5)
    at = first
    while at < last:
        k = at
        for c in range(0, width, len(lanes)):
            k = at
            here = np.int64(members[k]) * width + c
            before, row = full(lanes, np.float32(0)), load(lanes, v, here)
            while True:
                k += 1
                member = np.int64(members[k])
                if c == 0:
                    soon = np.int64(members[min(k + _AHEAD_MEMBERS, last - 1)])
                    ask_row(like, v, soon if soon >= 0 else ~soon)
                there = (member if member >= 0 else ~member) * width + c
                after = load(lanes, v, there)
                store(v, here, muladd(half, plus(before, after), row))
                before, row, here = row, after, there
                if member < 0:
                    break
            store(v, here, muladd(half, before, row))
        at = k + 1


@compiled
def sweep(
    like: Any,
    rows: Int64,
    members: Int32,
    ends: Int64,
    starts: Int64,
    pixels: Int32,
    shares: Float32,
    q: Float32,
    v: Float32,
    first: int,
    last: int,
) -> None:
    """Tiles `first` to `last` - 1 of one stage of a lattice: splat where `rows` is not empty, then blur axis by axis."""
    for tile in range(first, last):
        if len(rows):
            splat(like, starts, pixels, shares, q, v, rows[tile], rows[tile + 1])
        for axis in range(len(ends)):
            blur(like, members, v, ends[axis, tile], ends[axis, tile + 1])


@compiled
def update(
    like: Any,
    prior: Float32,
    rest: Float32,
    near: Int32,
    near_weights: Float32,
    near_gain: float,
    near_v: Float32,
    far: Int32,
    far_weights: Float32,
    far_gain: float,
    far_v: Float32,
    q: Shares,
    one: float,
    levels: Float32,
    scores: Float32,
    first: int,
    last: int,
) -> None:
    """One mean-field step of the pixels of blocks `first` to `last` - 1, `BLOCK` pixels each.

    Row of q = prior x e^message over its sum; messages are sliced from both lattices. Where `levels` is not empty it
    gets that sum, to which `rest` adds the numerators of classes that are not in the rows, and `scores` gets for every
    block and class the sum of q x message.
    """
    lanes, width = like[0], _width(like)
    messages, numerators = np.empty(BATCH * width, np.float32), np.empty(BATCH * width, np.float32)
    highest, shares, score = np.zeros(BATCH, np.float32), np.empty(BATCH, np.float32), np.empty(width, np.float32)
    pixels, parts = len(near), len(levels) > 0
    for block in range(first, last):
        score[:] = 0
        end = min((block + 1) * BLOCK, pixels)
        for begin in range(block * BLOCK, end, BATCH):
            size = min(BATCH, end - begin)
            for i in range(size):
                pixel, soon = begin + i, min(begin + i + _AHEAD_PIXELS, pixels - 1)
                for j in range(_NEAR):
                    ask_row(like, near_v, np.int64(near[soon, j]))
                for j in range(_FAR):
                    ask_row(like, far_v, np.int64(far[soon, j]))
                top = full(lanes, np.float32(0))  # no message is negative
                for c in range(0, width, len(lanes)):
                    message = scale(near_weights[pixel, 0], load(lanes, near_v, np.int64(near[pixel, 0]) * width + c))
                    for j in range(1, _NEAR):
                        corner = np.int64(near[pixel, j])
                        message = muladd(near_weights[pixel, j], load(lanes, near_v, corner * width + c), message)
                    other = scale(far_weights[pixel, 0], load(lanes, far_v, np.int64(far[pixel, 0]) * width + c))
                    for j in range(1, _FAR):
                        corner = np.int64(far[pixel, j])
                        other = muladd(far_weights[pixel, j], load(lanes, far_v, corner * width + c), other)
                    message = muladd(near_gain, message, scale(far_gain, other))
                    top = larger(top, message)
                    store(messages, i * width + c, message)
                highest[i] = largest(top)
            for i in range(size):
                lower, summed = full(lanes, -highest[i]), full(lanes, np.float32(0))
                for c in range(0, width, len(lanes)):
                    power = exp(plus(load(lanes, messages, i * width + c), lower))
                    numerator = times(load(lanes, prior, (begin + i) * width + c), power)
                    summed = plus(summed, numerator)
                    store(numerators, i * width + c, numerator)
                shares[i] = total(summed)
            if parts:
                for i in range(0, BATCH, len(_VECTOR)):
                    store(highest, i, exp(scale(np.float32(-1), load(_VECTOR, highest, i))))
                for i in range(size):
                    shares[i] += rest[begin + i] * highest[i]
                    levels[begin + i] = shares[i] / highest[i]
            for i in range(size):
                share = one / shares[i]
                for c in range(0, width, len(lanes)):
                    probability = scale(share, load(lanes, numerators, i * width + c))
                    store_shares(q, (begin + i) * width + c, probability)
                    if parts:
                        product = times(probability, load(lanes, messages, i * width + c))
                        store(score, c, plus(load(lanes, score, c), product))
        if parts:
            scores[block, :] = score


@compiled
def unload(
    like: Any, corners: Int32, weights: Float32, gain: float, v: Float32, out: Float32, first: int, last: int
) -> None:
    """Pixels `first` to `last` - 1: row of out = gain x sum over corners of weight x row of v."""
    lanes, width = like[0], _width(like)
    for pixel in range(first, last):
        for c in range(0, width, len(lanes)):
            row = full(lanes, np.float32(0))
            for j in range(corners.shape[1]):
                row = muladd(weights[pixel, j], load(lanes, v, np.int64(corners[pixel, j]) * width + c), row)
            store(out, pixel * width + c, scale(gain, row))


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
    levels: Float32,
    rest: Float32,
    new_q: Shares,
    new_prior: Float32,
    new_width: int,
    first: int,
    last: int,
) -> None:
    """Pixels `first` to `last` - 1: columns `kept` go to narrower rows; rest becomes the numerators of all others."""
    for pixel in range(first, last):
        old, new, summed = pixel * width, pixel * new_width, np.float32(0)
        for c in range(new_width):
            new_q[new + c], new_prior[new + c] = 0, 0
        for c in range(len(kept)):
            new_q[new + c], new_prior[new + c] = q[old + kept[c]], prior[old + kept[c]]
            summed += np.float32(q[old + kept[c]])
        rest[pixel] = max(np.float32(0), np.float32(1) - summed / np.float32(FULL)) * levels[pixel]


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
    """Pixels `first` to `last` - 1: columns of rows become classes of out, times `then` / `now` unless these are empty."""
    for pixel in range(first, last):
        factor = (then[pixel] / now[pixel] if len(then) else np.float32(1)) / one
        for c in range(len(columns)):
            out[pixel, classes[c]] = q[pixel * width + columns[c]] * factor

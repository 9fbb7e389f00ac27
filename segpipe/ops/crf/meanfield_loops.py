"""The compiled loops of a mean-field step on permutohedral lattices.

Rows of class values lie one after the other in flat arrays. Their shape is a tuple of tuples, `like`: as many as a row
has vectors, each with as many empty ones as a vector has lanes, so that LLVM knows both when it compiles. What takes
the time is waiting for rows that are in no cache, so that every loop asks for them well before it needs them. Every
number is the same sum in the same order however the loops are cut into ranges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.jit import compiled
from segpipe.ops.crf.simd import (
    at,
    exp,
    full,
    larger,
    largest,
    load,
    muladd,
    plus,
    prefetch,
    scale,
    store,
    times,
    total,
)

Float32 = npt.NDArray[np.float32]
Shares = npt.NDArray[np.uint16] | Float32
Rows = npt.NDArray[np.int16] | Float32
"""Rows of vertices: 16-bit floats, or 32-bit ones where the processor has no others."""
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

_LINE = 16  # floats in a cache line
_AHEAD_PIXELS = 6  # how far ahead rows are asked for: enough to hide the memory, not so far that they are evicted
_AHEAD_SHARES = 24
_AHEAD_MEMBERS = 12
_VECTOR = ((),) * 8
BATCH = 8  # pixels that go through each loop of an update together, so that none waits for itself
_NEAR, _FAR = 3, 6  # corners of a simplex of the plane, and of position and color together


@compiled
def _width(like: Any) -> int:
    return len(like) * len(like[0])


@compiled
def ask_row(like: Any, array: Shares | Rows, row: Any) -> None:
    """Prefetch a row of a flat array."""
    for c in range(0, _width(like), len(like[0])):
        prefetch(like[0], array, np.int64(row) * _width(like) + c)


@compiled
def splat(
    like: Any,
    starts: Int64,
    pixels: Int32,
    shares: Float32,
    q: Shares,
    part: float,
    v: Rows,
    first: int,
    last: int,
) -> None:
    """Vertices `first` to `last` - 1: row of v = part x sum over the pixels around it of share x row of q."""
    lanes, width = like[0], _width(like)
    for vertex in range(first, last):
        begin, end = at(starts, vertex), at(starts, vertex + 1)
        for c in range(0, width, len(lanes)):
            row = full(lanes, np.float32(0))
            for k in range(begin, end):
                if c == 0:
                    ask_row(like, q, at(pixels, min(k + _AHEAD_SHARES, len(pixels) - 1)))
                row = muladd(at(shares, k), load(lanes, q, np.int64(at(pixels, k)) * width + c), row)
            store(v, vertex * width + c, scale(part, row))


@compiled
def blur(like: Any, members: Int32, v: Rows, first: int, last: int) -> None:
    """Along chains of neighbors, in place: row += half the sum of the rows before and after it, as they were.

    `members` from `first` to `last` - 1 are vertices, chain after chain; the last of a chain is written as ~vertex.
    """
    lanes, width, half = like[0], _width(like), np.float32(0.5)
    chain = first
    while chain < last:
        k = chain
        for c in range(0, width, len(lanes)):
            k = chain
            here = np.int64(at(members, k)) * width + c
            before, row = full(lanes, np.float32(0)), load(lanes, v, here)
            while True:
                k += 1
                member = np.int64(at(members, k))
                if c == 0:
                    soon = np.int64(at(members, min(k + _AHEAD_MEMBERS, last - 1)))
                    ask_row(like, v, soon if soon >= 0 else ~soon)
                there = (member if member >= 0 else ~member) * width + c
                after = load(lanes, v, there)
                store(v, here, muladd(half, plus(before, after), row))
                before, row, here = row, after, there
                if member < 0:
                    break
            store(v, here, muladd(half, before, row))
        chain = k + 1


@compiled
def sweep(
    like: Any,
    rows: Int64,
    members: Int32,
    ends: Int64,
    starts: Int64,
    pixels: Int32,
    shares: Float32,
    q: Shares,
    part: float,
    v: Rows,
    first: int,
    last: int,
) -> None:
    """Tiles `first` to `last` - 1 of a stage of a lattice: splat where `rows` is not empty, then blur axis by axis."""
    for tile in range(first, last):
        if len(rows):
            splat(like, starts, pixels, shares, q, part, v, rows[tile], rows[tile + 1])
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
    far_v: Rows,
    q: Shares,
    one: float,
    levels: Float32,
    score: Float32,
    first: int,
    last: int,
) -> None:
    """One mean-field step of pixels `first` to `last` - 1: row of q = prior x e^message over its sum.

    Messages are sliced from both lattices. Where `levels` is not empty it gets the sum, to which `rest` adds the
    numerators of classes that are not in the rows, and `score` gets for every class the sum of q x message.
    """
    lanes, width = like[0], _width(like)
    messages, numerators = np.empty(BATCH * width, np.float32), np.empty(BATCH * width, np.float32)
    highest, shares, parts = np.zeros(BATCH, np.float32), np.empty(BATCH, np.float32), len(levels) > 0
    score[:] = 0
    for begin in range(first, last, BATCH):
        size = min(BATCH, last - begin)
        for i in range(size):
            pixel, soon = begin + i, min(begin + i + _AHEAD_PIXELS, last - 1)
            for j in range(_NEAR):
                ask_row(like, near_v, at(near, soon * _NEAR + j))
            for j in range(_FAR):
                ask_row(like, far_v, at(far, soon * _FAR + j))
            top = full(lanes, np.float32(0))  # no message is negative
            for c in range(0, width, len(lanes)):
                message, other = full(lanes, np.float32(0)), full(lanes, np.float32(0))
                for j in range(pixel * _NEAR, pixel * _NEAR + _NEAR):
                    corner = np.int64(at(near, j))
                    message = muladd(at(near_weights, j), load(lanes, near_v, corner * width + c), message)
                for j in range(pixel * _FAR, pixel * _FAR + _FAR):
                    corner = np.int64(at(far, j))
                    other = muladd(at(far_weights, j), load(lanes, far_v, corner * width + c), other)
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
                store(q, (begin + i) * width + c, probability)
                if parts:
                    product = times(probability, load(lanes, messages, i * width + c))
                    store(score, c, plus(load(lanes, score, c), product))


@compiled
def step(
    like: Any,
    rows: Int64,
    members: Int32,
    ends: Int64,
    starts: Int64,
    pixels: Int32,
    shares: Float32,
    q: Shares,
    part: float,
    prior: Float32,
    rest: Float32,
    near: Int32,
    near_weights: Float32,
    near_gain: float,
    far: Int32,
    far_weights: Float32,
    far_gain: float,
    far_v: Rows,
    new_q: Shares,
    one: float,
    levels: Float32,
    score: Float32,
    first: int,
    last: int,
) -> None:
    """`update` of a band of the plane, pixels `first` to `last` - 1, from the q of the step before."""
    spare = np.empty(rows[-1] * _width(like) + _LINE, np.float32)  # in the cache, where 16 bits save no time
    v = spare[(-(spare.ctypes.data >> 2)) & (_LINE - 1) :]
    sweep(like, rows, members, ends, starts, pixels, shares, q, part, v, 0, 1)
    sources = (near, near_weights, near_gain, v, far, far_weights, far_gain, far_v)
    update(like, prior, rest, *sources, new_q, one, levels, score, first, last)


@compiled
def unload(
    like: Any, corners: Int32, weights: Float32, gain: float, v: Rows, out: Float32, first: int, last: int
) -> None:
    """Pixels `first` to `last` - 1: row of out = gain x sum over corners of weight x row of v."""
    lanes, width = like[0], _width(like)
    for pixel in range(first, last):
        for c in range(0, width, len(lanes)):
            row = full(lanes, np.float32(0))
            for j in range(corners.shape[1]):
                row = muladd(weights[pixel, j], load(lanes, v, np.int64(corners[pixel, j]) * width + c), row)
            store(out, pixel * width + c, scale(gain, row))

"""The compiled loops that build a permutohedral lattice; `permutohedral` says what its vertices are.

Numbers are read by `at` and written at unsigned places, where numba would else ask whether each counts from the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.jit import compiled
from segpipe.ops.crf.simd import at

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

CORNER_BITS = 3


@compiled
def locate(
    axes: Any,
    features: Float32,
    scales: Float32,
    low: Int64,
    strides: Int64,
    steps: Int64,
    bits: int,
    uses: Int64,
    weights: Float32,
    first: int,
    last: int,
) -> None:
    """Find the simplex of pixels `first` to `last` - 1 (Adams et al., p. 5 and 10).

    `axes` is a tuple as long as the features. Fills barycentric weights and, for every corner, its vertex's number in
    front of `bits` bits that say which corner of which pixel it is. Sums are in the reference implementation's order:
    a point on the border of two simplices must fall to the same one.
    """
    dims = len(axes)
    size, part = np.float32(dims + 1), np.float32(1) / np.float32(dims + 1)
    raised, rest = np.empty(dims + 1, np.float32), np.empty(dims + 1, np.float32)
    whole, rank, moved = np.empty(dims + 1, np.int64), np.empty(dims + 1, np.int64), np.empty(dims + 1, np.int64)
    share = np.empty(dims + 2, np.float32)
    for pixel in range(first, last):
        tail = np.float32(0)
        for j in range(dims, 0, -1):
            value = features[pixel, j - 1] * scales[j - 1]
            raised[j] = tail - np.float32(j) * value
            tail += value
        raised[0] = tail
        excess = np.int64(0)
        for i in range(dims + 1):
            nearest = np.rint(part * raised[i])
            whole[i] = np.int64(nearest)
            rest[i] = raised[i] - nearest * size
            excess += whole[i]
            rank[i] = i  # of coordinates that are equal the earlier one counts as the larger
        for i in range(dims):
            for j in range(i + 1, dims + 1):
                less = np.int64(rest[i] < rest[j])
                rank[i] += less
                rank[j] -= less
        share[:] = 0
        for i in range(dims + 1):
            rank[i] += excess
            if rank[i] < 0:
                rank[i] += dims + 1
                whole[i] += 1
            elif rank[i] > dims:
                rank[i] -= dims + 1
                whole[i] -= 1
            apart = (raised[i] - np.float32(whole[i]) * size) * part
            share[dims - rank[i]] += apart
            share[dims - rank[i] + 1] -= apart
            moved[dims - rank[i]] = steps[i]
        share[0] += np.float32(1) + share[dims + 1]
        number = np.int64(0)
        for i in range(dims):
            number += (whole[i] - whole[i + 1] - low[i]) * strides[i]
        for corner in range(dims + 1):
            use = pixel * (dims + 1) + corner
            weights[pixel, corner] = share[corner]
            uses[use] = (number << bits) | (pixel << CORNER_BITS) | corner
            number += moved[corner]


@compiled
def merge(one: Int64, other: Int64, out: Int64, first: int, last: int) -> None:
    """Places `first` to `last` - 1 of the numbers of two sorted arrays, all different, sorted together.

    How many of them come from `one` before `first` is found by bisection (Green, Odeh, Birk: Merge Path, 2014).
    """
    least, most = max(0, first - len(other)), min(first, len(one))
    while least < most:
        i = (least + most) // 2
        if one[i] < other[first - 1 - i]:
            least = i + 1
        else:
            most = i
    i, j = least, first - least
    for k in range(first, last):
        if j == len(other) or (i < len(one) and one[i] < other[j]):
            out[k] = one[i]
            i += 1
        else:
            out[k] = other[j]
            j += 1


@compiled
def count(uses: Int64, bits: int, counts: Int64, part: int, first: int, last: int) -> None:
    """How many vertices begin among the sorted uses `first` to `last` - 1."""
    found = 0
    for k in range(first, last):
        found += k == 0 or uses[k] >> bits != uses[k - 1] >> bits
    counts[part] = found


@compiled
def number_vertices(
    uses: Int64,
    bits: int,
    weights: Float32,
    corners: Int32,
    pixels: Int32,
    shares: Float32,
    numbers: Int64,
    starts: Int64,
    vertices: Int64,
    part: int,
    first: int,
    last: int,
) -> None:
    """Give each vertex that begins among the sorted uses `first` to `last` - 1 its place, and each use its vertex."""
    vertex, before = vertices[part] - 1, at(uses, first - 1) >> bits if first > 0 else np.int64(-1)
    flat, flat_weights = corners.reshape(-1), weights.reshape(-1)
    for k in range(first, last):
        use = at(uses, k)
        if use >> bits != before:
            before = use >> bits
            vertex += 1
            numbers[vertex], starts[vertex] = before, k
        pixel = (use & ((1 << bits) - 1)) >> CORNER_BITS
        place = pixel * corners.shape[1] + (use & ((1 << CORNER_BITS) - 1))
        flat[np.uint64(place)] = vertex
        pixels[np.uint64(k)], shares[np.uint64(k)] = pixel, at(flat_weights, place)


@compiled
def add_up(starts: Int64, shares: Float32, mass: Float32, first: int, last: int) -> None:
    """Sum the shares of the pixels around vertices `first` to `last` - 1."""
    for vertex in range(first, last):
        summed = np.float32(0)
        for k in range(starts[vertex], starts[vertex + 1]):
            summed += shares[k]
        mass[vertex] = summed


@compiled
def link(numbers: Int64, step: int) -> Int32:
    """The neighbor of every vertex one step along an axis, -1 where there is none; `numbers` are sorted."""
    after, k = np.empty(len(numbers), np.int32), 0
    for vertex in range(len(numbers)):
        wanted = at(numbers, vertex) + step
        while k < len(numbers) and at(numbers, k) < wanted:
            k += 1
        after[np.uint64(vertex)] = k if k < len(numbers) and at(numbers, k) == wanted else -1
    return after


@compiled
def chain(after: Int32, order: Int32, cuts: Int64) -> tuple[Int32, Int64]:
    """List chains of neighbors tile by tile: `Stage.members` of one axis, and where each tile begins in them.

    A chain belongs to the tile of `order` in which its first vertex lies.
    """
    has_before = np.zeros(len(after), np.bool_)
    for neighbor in after:
        if neighbor >= 0:
            has_before[np.uint64(neighbor)] = True
    members, ends, k = np.empty(len(after), np.int32), np.empty(len(cuts), np.int64), 0
    for tile in range(len(cuts) - 1):
        ends[tile] = k
        for i in range(cuts[tile], cuts[tile + 1]):
            vertex = np.int64(at(order, i))
            following = np.int64(at(after, vertex))
            if has_before[np.uint64(vertex)] or following < 0:
                continue
            while following >= 0:
                members[np.uint64(k)] = vertex
                k += 1
                vertex, following = following, np.int64(at(after, following))
            members[np.uint64(k)] = ~vertex
            k += 1
    ends[-1] = k
    return members[:k].copy(), ends


@compiled
def roots(sums: Float32, first: int, last: int) -> None:
    """1 / sqrt of row sums `first` to `last` - 1, in place (1e-20 as in the reference implementation)."""
    for pixel in range(first, last):
        sums[pixel] = np.float32(1 / np.sqrt(np.float64(sums[pixel]) + 1e-20))


@compiled
def normalize(
    roots: Float32, corners: int, weights: Float32, pixels: Int32, shares: Float32, first: int, last: int
) -> None:
    """Multiply weights of pixels `first` to `last` - 1, and as many shares, by what their pixels have."""
    for pixel in range(first, last):
        for corner in range(corners):
            weights[pixel, corner] *= roots[pixel]
    for k in range(first * corners, last * corners):
        shares[k] *= roots[pixels[k]]

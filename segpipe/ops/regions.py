"""Regions: connected pixels of one class; and small ones given to their neighbors, so that a map stays without gaps.

Pixels are connected by their sides (4-connected). Memory: 4 bytes a pixel beside the map, none of it floats. A region
is known by its number everywhere, so maps that come in tiles can be labelled one by one and joined over their borders:
two numbers are one region where tiles meet with equal classes.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.jit import compiled
from segpipe.records.legend import Mask

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Regions:
    """The regions of one map, numbered in the order in which their first pixels are read, row by row."""

    labels: Int32
    """(H, W) number of the region, -1 where there is no class."""
    classes: Int64
    """(regions,)"""
    sizes: Int64
    """(regions,) pixels."""

    def mask(self, empty: int) -> Mask:
        """The class map (H, W) of these regions, `empty` where there is no class; uint8 if `empty` is 255."""
        table = np.append(self.classes, empty).astype(np.uint8 if empty == 255 else np.uint16)
        return np.asarray(table[self.labels])


def find_regions(mask: Mask, empty: int) -> Regions:
    """The connected regions of a class map.

    Args:
        mask: (H, W) classes.
        empty: the value that means no class; such pixels belong to no region.

    Raises:
        ValueError: the map has 2^31 pixels or more.
    """
    if mask.size >= 2**31:
        raise ValueError(f"regions of {mask.shape} pixels cannot be numbered in 32 bits; export it in parts")
    pixels: Any = np.ascontiguousarray(mask)
    labels = np.empty(mask.shape, np.int32)
    count = _connect(pixels, empty, labels.ravel())
    sizes, classes = np.zeros(count, np.int64), np.zeros(count, np.int64)
    _measure(pixels, labels, sizes, classes)
    return Regions(labels, classes, sizes)


def merge_small(regions: Regions, least: int) -> Regions:
    """Give every region of fewer than `least` pixels to the neighbor with which it shares most border.

    The smallest goes first, and what it joins counts as one region from then on. Of neighbors with equal borders the
    larger wins, then the one that begins first. Pixels without a class stay without, and nothing is given to them: a
    small region between such pixels alone stays. Python holds a few hundred bytes per small region meanwhile.
    """
    small = regions.sizes < least
    if not small.any():
        return regions
    pairs, lengths = np.unique(_borders(regions.labels, small), return_counts=True)
    borders: dict[int, Counter[int]] = {int(k): Counter() for k in np.flatnonzero(small)}
    for pair, length in zip(pairs.tolist(), lengths.tolist(), strict=True):
        borders[pair >> 32][pair & 0xFFFFFFFF] = length
    sizes, into = regions.sizes.copy(), np.arange(len(regions.sizes))
    classes = regions.classes.copy()
    queue = [(int(sizes[k]), k) for k in borders]
    heapq.heapify(queue)
    while queue:
        size, k = heapq.heappop(queue)
        if into[k] != k or sizes[k] != size:
            continue  # it was joined, or has grown
        around = _around(borders.pop(k), k, into)
        if not around:
            continue
        best = max(around, key=lambda n: (around[n], sizes[n], -n))
        # what it touches of the neighbor's class is one region with the neighbor now
        group = [n for n in around if classes[n] == classes[best]]
        root = min(k, *group)
        total, kind = size + int(sizes[group].sum()), classes[best]
        joined = [around, *(_around(borders.pop(n), n, into) for n in group if n in borders)]
        into[[k, *group]] = root
        sizes[root], classes[root] = total, kind
        if total < least:
            borders[root] = sum(joined, Counter())
            heapq.heappush(queue, (total, root))
    kept = np.flatnonzero(into == np.arange(len(into)))
    numbers = np.zeros(len(into), np.int32)
    numbers[kept] = np.arange(len(kept), dtype=np.int32)
    labels = regions.labels.copy()
    _renumber(labels, numbers[[_root(into, k) for k in range(len(into))]])
    return Regions(labels, classes[kept], sizes[kept])


def boxes(regions: Regions) -> Int64:
    """(regions, 4): top, left, and one past bottom and right of each region, pixels."""
    found = np.empty((len(regions.sizes), 4), np.int64)
    found[:, :2], found[:, 2:] = 2**31, 0
    _enclose(regions.labels, found)
    return found


def _root(into: npt.NDArray[Any], k: int) -> int:
    while into[k] != k:
        into[k] = into[into[k]]
        k = int(into[k])
    return k


def _around(borders: Counter[int], k: int, into: npt.NDArray[Any]) -> Counter[int]:
    found: Counter[int] = Counter()
    for n, length in borders.items():
        n = _root(into, n)
        if n != k:
            found[n] += length
    return found


@compiled
def _connect(mask: Mask, empty: int, parent: Int32) -> int:
    """Union-find over pixels, each pointing to an earlier one of its region; then numbers, -1 for `empty`."""
    rows, cols = mask.shape
    for r in range(rows):
        for c in range(cols):
            p = r * cols + c
            value = mask[r, c]
            parent[p] = p
            if value == empty:
                parent[p] = -1
                continue
            if c > 0 and mask[r, c - 1] == value:
                q = p - 1
                while parent[q] != q:
                    parent[q] = parent[parent[q]]
                    q = parent[q]
                parent[p] = q
            if r > 0 and mask[r - 1, c] == value:
                q = p - cols
                while parent[q] != q:
                    parent[q] = parent[parent[q]]
                    q = parent[q]
                s = parent[p]
                while parent[s] != s:
                    s = parent[s]
                if q < s:
                    parent[s] = q
                    parent[p] = q
                else:
                    parent[q] = s
    count = 0
    for p in range(rows * cols):  # what a pixel points to has its number already, kept as -2, -3 and so on
        q = parent[p]
        if q == p:
            parent[p] = -2 - count
            count += 1
        elif q >= 0:
            parent[p] = parent[q]
    for p in range(rows * cols):
        if parent[p] < -1:
            parent[p] = -2 - parent[p]
    return count


@compiled
def _measure(mask: Mask, labels: Int32, sizes: Int64, classes: Int64) -> None:
    for r in range(mask.shape[0]):
        for c in range(mask.shape[1]):
            k = labels[r, c]
            if k >= 0:
                sizes[k] += 1
                classes[k] = mask[r, c]


@compiled
def _borders(labels: Int32, small: npt.NDArray[np.bool_]) -> Int64:
    """For every side that a pixel of a small region shares with another region: small << 32 | other."""
    rows, cols = labels.shape
    found, count = np.empty(1024, np.int64), 0
    for r in range(rows):
        for c in range(cols):
            k = labels[r, c]
            if k < 0:
                continue
            for down in range(2):
                if (down and r + 1 == rows) or (not down and c + 1 == cols):
                    continue
                n = labels[r + down, c + 1 - down]
                if n < 0 or n == k or not (small[k] or small[n]):
                    continue
                if count + 2 > len(found):
                    larger = np.empty(2 * len(found), np.int64)
                    larger[:count] = found[:count]
                    found = larger
                if small[k]:
                    found[count] = np.int64(k) << 32 | np.int64(n)
                    count += 1
                if small[n]:
                    found[count] = np.int64(n) << 32 | np.int64(k)
                    count += 1
    return found[:count]


@compiled
def _renumber(labels: Int32, numbers: Int32) -> None:
    for r in range(labels.shape[0]):
        for c in range(labels.shape[1]):
            if labels[r, c] >= 0:
                labels[r, c] = numbers[labels[r, c]]


@compiled
def _enclose(labels: Int32, found: Int64) -> None:
    for r in range(labels.shape[0]):
        for c in range(labels.shape[1]):
            k = labels[r, c]
            if k >= 0:
                found[k, 0] = min(found[k, 0], r)
                found[k, 1] = min(found[k, 1], c)
                found[k, 2] = max(found[k, 2], r + 1)
                found[k, 3] = max(found[k, 3], c + 1)

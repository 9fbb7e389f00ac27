"""Regions: connected pixels of one class; and small ones given to their neighbors, so that a map stays without gaps.

Pixels are connected by their sides (4-connected). A map can be given in strips of rows, again and again; then nothing
larger than a strip is held, but for some numbers of every region.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.components import Int32, join_rows, more_labels, number_components
from segpipe.base.jit import compiled
from segpipe.records.legend import Mask

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


Strips = Callable[[], Iterable[Mask]]
"""A map, from its top, in strips (h, W) of rows; called for every pass over it."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The regions of a map that is read strip by strip, numbered as in `Regions`."""

    numbers: Int32
    """(first labels,) the region of every label that `_label` gives in passing; two of them may be one region."""
    classes: Int64
    """(regions,)"""
    sizes: Int64
    """(regions,) pixels."""

    def labels(self, strips: Iterable[Mask], empty: int) -> Iterator[Int32]:
        """The number of the region of every pixel, -1 where there is no class: strips (h, W) in turn."""
        for labels, _ in _first_labels(strips, empty):
            _renumber(labels, self.numbers)
            yield labels


def find_regions(mask: Mask, empty: int) -> Regions:
    """The connected regions of a class map. Memory: 4 bytes a pixel beside the map.

    Args:
        mask: (H, W) classes.
        empty: the value that means no class; such pixels belong to no region.

    Raises:
        ValueError: the map has 2^31 pixels or more.
    """
    if mask.size >= 2**31:
        raise ValueError(f"regions of {mask.shape} pixels cannot be numbered in 32 bits; export it in parts")
    found = connect([mask], empty)
    (labels,) = found.labels([mask], empty)
    return Regions(labels, found.classes, found.sizes)


def connect(strips: Iterable[Mask], empty: int) -> Connected:
    """The connected regions of a class map that comes in strips.

    Memory: 4 bytes a pixel of a strip, and 40 bytes for every first label: a pixel whose left and upper neighbors are
    of other classes.
    """
    parent, sizes, classes = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64)
    above: Any = None
    for labels, mask in _first_labels(strips, empty):
        count = max(len(parent), int(labels.max(initial=-1)) + 1)
        more = count - len(parent)
        parent = more_labels(parent, count)
        sizes, classes = (np.concatenate([row, np.zeros(more, np.int64)]) for row in (sizes, classes))
        _measure(mask, labels, sizes, classes)
        join_rows(mask, labels, parent)
        if above is not None:
            join_rows(np.stack([above[0], mask[0]]), np.stack([above[1], labels[0]]), parent)
        above = mask[-1].copy(), labels[-1].copy()
    numbers = np.empty_like(parent)
    count = number_components(parent, numbers)
    total, kinds = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.add.at(total, numbers, sizes)
    kinds[numbers] = classes
    return Connected(numbers, kinds, total)


def _first_labels(strips: Iterable[Mask], empty: int) -> Iterator[tuple[Int32, Mask]]:
    """Labels (h, W) that go by the rows above alone, and the strip; the same in every pass, -1 for `empty`.

    A pixel has the label of its left neighbor if that is of its class, else that of its upper one, else a new one. So
    the first pixel of a region, row by row, has the smallest label in it.
    """
    count, above = 0, None
    for strip in strips:
        mask: Any = np.ascontiguousarray(strip)
        labels = np.empty(mask.shape, np.int32)
        first = above is None
        kinds, names = (mask[0], labels[0]) if above is None else above
        count = _label(mask, empty, kinds, names, first, count, labels)
        above = mask[-1].copy(), labels[-1].copy()
        yield labels, mask


def merge_small(regions: Regions, least: int) -> Regions:
    """Give every region of fewer than `least` pixels to the neighbor with which it shares most border.

    The smallest goes first, and what it joins counts as one region from then on. Of neighbors with equal borders the
    larger wins, then the one that begins first. Pixels without a class stay without, and nothing is given to them: a
    small region between such pixels alone stays. Python holds a few hundred bytes per small region meanwhile.
    """
    small = regions.sizes < least
    if not small.any():
        return regions
    found = _merge(regions.classes, regions.sizes, _count_borders([regions.labels], small), least)
    labels = regions.labels.copy()
    _renumber(labels, found.numbers)
    return Regions(labels, found.classes, found.sizes)


def merge_small_strips(regions: Connected, strips: Strips, empty: int, least: int) -> Connected:
    """The same as `merge_small` for a map that comes in strips."""
    small = regions.sizes < least
    if not small.any():
        return regions
    found = _merge(regions.classes, regions.sizes, _count_borders(regions.labels(strips(), empty), small), least)
    return Connected(found.numbers[regions.numbers], found.classes, found.sizes)


def _count_borders(strips: Iterable[Int32], small: npt.NDArray[np.bool_]) -> tuple[Int64, Int64]:
    """Pairs small << 32 | other of regions that share sides of pixels, and how many sides."""
    pairs, lengths = np.empty(0, np.int64), np.empty(0, np.int64)
    above = None
    for labels in strips:
        parts = [_borders(labels, small)]
        if above is not None:
            parts.append(_borders_of_rows(above, labels[0], small))
        more, counts = np.unique(np.concatenate(parts), return_counts=True)
        pairs, at = np.unique(np.concatenate([pairs, more]), return_inverse=True)
        lengths = np.bincount(at, np.concatenate([lengths, counts]), len(pairs)).astype(np.int64)
        above = labels[-1].copy()
    return pairs, lengths


def _merge(classes: Int64, sizes: Int64, sides: tuple[Int64, Int64], least: int) -> Connected:
    """The rule of `merge_small`: `numbers` are those of the regions before, and now."""
    pairs, lengths = sides
    sizes, into, classes = sizes.copy(), np.arange(len(sizes)), classes.copy()
    borders: dict[int, Counter[int]] = {int(k): Counter() for k in np.flatnonzero(sizes < least)}
    for pair, length in zip(pairs.tolist(), lengths.tolist(), strict=True):
        borders[pair >> 32][pair & 0xFFFFFFFF] = length
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
    roots = np.array([_root(into, k) for k in range(len(into))], np.int64)
    return Connected(numbers[roots], classes[kept], sizes[kept])


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
def _label(mask: Mask, empty: int, kinds: Any, names: Any, first: bool, count: int, labels: Int32) -> int:
    """First labels of a strip below a row of classes `kinds` and labels `names` (none where it is the first)."""
    rows, cols = mask.shape
    for r in range(rows):
        for c in range(cols):
            value = mask[r, c]
            if value == empty:
                labels[r, c] = -1
            elif c > 0 and mask[r, c - 1] == value:
                labels[r, c] = labels[r, c - 1]
            elif r > 0 and mask[r - 1, c] == value:
                labels[r, c] = labels[r - 1, c]
            elif r == 0 and not first and kinds[c] == value:
                labels[r, c] = names[c]
            else:
                labels[r, c] = count
                count += 1
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


def _borders_of_rows(above: Int32, below: Int32, small: npt.NDArray[np.bool_]) -> Int64:
    """As `_borders`, of the sides between two rows."""
    met = (above >= 0) & (below >= 0) & (above != below)
    a, b = above[met].astype(np.int64), below[met].astype(np.int64)
    return np.concatenate([(a << 32 | b)[small[a]], (b << 32 | a)[small[b]]])


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

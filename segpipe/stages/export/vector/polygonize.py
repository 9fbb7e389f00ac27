"""The outlines of regions along the sides of their pixels, found in one sweep over the rows of a map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.jit import compiled

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rings:
    """Closed rings around regions. The first ring of a region is its outer one, the others are its holes."""

    corners: Int32
    """(n, 2) column and row of the corners of pixels, the rings one after the other, each ending where it began."""
    starts: Int64
    """(rings + 1,) where each ring begins in `corners`."""
    regions: Int64
    """(rings,) the region each belongs to, ascending."""


@dataclass(frozen=True, slots=True)
class Outlines:
    """All rings of a map as chains of corners, to be read a few at a time. Memory: 12 bytes a corner."""

    corners: Int32
    """(n, 2) column and row, in the order of a sweep over the map."""
    following: Int32
    """(n,) the corner after each on its ring."""
    first: Int64
    """(rings,) a corner of each ring, where it begins."""
    lengths: Int64
    """(rings,) corners."""
    regions: Int64
    """(rings,) the region each belongs to, ascending."""

    def rings(self, start: int, stop: int) -> Rings:
        """The rings `start` up to and without `stop`."""
        lengths = self.lengths[start:stop] + 1
        starts = np.concatenate([[0], np.cumsum(lengths)])
        out = np.empty((int(starts[-1]), 2), np.int32)
        _unroll(self.corners, self.following, self.first[start:stop], starts, out)
        return Rings(out, starts, self.regions[start:stop])

    def parts(self, most: int) -> list[tuple[int, int]]:
        """Spans of rings for `rings` that hold whole regions and, together, about `most` corners each."""
        if not len(self.regions):
            return [(0, 0)]
        regions = np.flatnonzero(np.diff(self.regions, prepend=-1))
        sums = np.concatenate([[0], np.cumsum(self.lengths)])[regions]
        cuts = regions[np.flatnonzero(np.diff(sums // most, prepend=-1))].tolist()
        return list(zip(cuts, [*cuts[1:], len(self.regions)], strict=True))


def trace(labels: Int32) -> Rings:
    """The outlines of all regions of a map (H, W); see `sweep`."""
    found = sweep([labels])
    return found.rings(0, len(found.regions))


def sweep(strips: Iterable[Int32]) -> Outlines:
    """The outlines of all regions.

    A ring has a corner where it turns and where three regions meet (or two and the map's edge), and nowhere else:
    neighbors share every corner of their common border, so that the rings are a coverage without gaps in any
    coordinates. Where two pixels of a region touch by a corner only, the ring passes from one to the other, so no ring
    meets itself and holes touch at most by corners: the polygons are valid (OGC 06-103r4, 6.1.11.1).

    At every meeting of four pixels each ring that passes is continued: what comes from above or from the left is known
    already, what goes there has been waiting for it. So two rows of the map are looked at, and no more.

    Memory: 21 to 33 bytes a corner.

    Args:
        strips: (h, W) strips of rows, from the top: numbers of regions that are connected by sides; negative: no
            region.
    """
    store = _Store(
        np.empty((1024, 2), np.int32), np.empty(1024, np.int32), np.empty(256, np.int32), np.empty(256, np.int32)
    )
    counts = np.zeros(2, np.int64)  # corners, ring starts seen
    row, above, waiting = 0, None, None
    for strip in strips:
        labels = np.ascontiguousarray(strip)
        if above is None or waiting is None:
            above, waiting = np.full(labels.shape[1], -1, np.int32), np.zeros((2, labels.shape[1] + 1), np.int32)
        row = _rows(above, labels, row, waiting, counts, store)
        above = labels[-1].copy()
    if above is not None and waiting is not None:
        _rows(above, np.full((1, len(above)), -1, np.int32), row, waiting, counts, store)
    return _chains(store, counts)


@dataclass(slots=True)
class _Store:
    """What grows while the map is swept."""

    corners: Int32
    following: Int32
    begun: Int32
    """Corners from which a ring goes right."""
    regions: Int32
    """Of these."""


def _rows(above: Int32, labels: Int32, row: int, waiting: Int32, counts: Int64, store: _Store) -> int:
    """Sweep the corners above every row of `labels`; the number of the row after."""
    for below in labels:
        room = 4 * (len(above) + 1)  # rings that can pass the corners of a row
        if counts[0] + room > len(store.corners):
            size = max(2 * len(store.corners), int(counts[0]) + room)
            store.corners = np.concatenate([store.corners, np.empty((size - len(store.corners), 2), np.int32)])
            store.following = np.concatenate([store.following, np.empty(size - len(store.following), np.int32)])
        if counts[1] + room > len(store.begun):
            more = np.empty(max(len(store.begun), room), np.int32)
            store.begun, store.regions = np.concatenate([store.begun, more]), np.concatenate([store.regions, more])
        _sweep_row(above, below, row, waiting, counts, store.corners, store.following, store.begun, store.regions)
        above, row = below, row + 1
    return row


@compiled
def _sweep_row(
    above: Int32,
    below: Int32,
    row: int,
    waiting: Int32,
    counts: Int64,
    corners: Int32,
    following: Int32,
    begun: Int32,
    regions: Int32,
) -> None:
    """Continue all rings at the corners between two rows. A ring goes with its region to the right.

    `waiting[0]` and `waiting[1]` hold, for the sides between pixels of the row above, the corner that the ring going
    down along it comes from, and the one that the ring going up along it goes to.
    """
    cols = len(above)
    count, begins = counts[0], counts[1]
    from_left, to_left = 0, 0  # the same for the side to the left of the corner: coming from it, going to it
    for c in range(cols + 1):
        a = above[c - 1] if c > 0 else -1  # the four pixels: a b
        b = above[c] if c < cols else -1  #                   d e
        d = below[c - 1] if c > 0 else -1
        e = below[c] if c < cols else -1
        from_right, to_right, from_below, to_below = 0, 0, 0, 0
        for way in range(4):  # coming from the left, from above, from the right, from below
            if way == 0:
                k, other, ahead, right, behind = d, a, b, e, a
            elif way == 1:
                k, other, ahead, right, behind = a, b, e, d, b
            elif way == 2:
                k, other, ahead, right, behind = b, e, d, a, e
            else:
                k, other, ahead, right, behind = e, d, a, b, d
            if k < 0 or other == k:
                continue
            if ahead == k:
                out, keep = (way + 3) % 4, True
            elif right == k:
                out, keep = way, behind != ahead
            else:
                out, keep = (way + 1) % 4, True
            if not keep:
                if way == 0:
                    to_right = from_left
                elif way == 1:
                    to_below = waiting[0, c]
                elif way == 2:
                    from_right = to_left
                else:
                    from_below = waiting[1, c]
                continue
            corners[count, 0], corners[count, 1] = c, row
            if way == 0:
                following[from_left] = count
            elif way == 1:
                following[waiting[0, c]] = count
            elif way == 2:
                from_right = count
            else:
                from_below = count
            if out == 0:
                to_right = count
                begun[begins], regions[begins] = count, k
                begins += 1
            elif out == 1:
                to_below = count
            elif out == 2:
                following[count] = to_left
            else:
                following[count] = waiting[1, c]
            count += 1
        from_left, to_left = to_right, from_right
        waiting[0, c], waiting[1, c] = to_below, from_below
    counts[0], counts[1] = count, begins


def _chains(store: _Store, counts: Int64) -> Outlines:
    """Rings begin at the first corner from which they go right, row by row."""
    corners, following = store.corners[: counts[0]], store.following[: counts[0]]
    begun, regions = store.begun[: counts[1]], store.regions[: counts[1]]
    lengths = np.zeros(len(begun), np.int64)
    _measure(following, begun, lengths, np.zeros(len(corners), np.bool_))
    own = np.flatnonzero(lengths)
    own = own[np.argsort(regions[own], kind="stable")]
    return Outlines(corners, following, begun[own].astype(np.int64), lengths[own], regions[own].astype(np.int64))


@compiled
def _measure(following: Int32, begun: Int32, lengths: Int64, seen: npt.NDArray[np.bool_]) -> None:
    for i in range(len(begun)):
        corner = begun[i]
        while not seen[corner]:
            seen[corner] = True
            lengths[i] += 1
            corner = following[corner]


@compiled
def _unroll(corners: Int32, following: Int32, first: Int64, starts: Int64, out: Any) -> None:
    for i in range(len(first)):
        corner = first[i]
        for at in range(starts[i], starts[i + 1]):
            out[at] = corners[corner]
            corner = following[corner]

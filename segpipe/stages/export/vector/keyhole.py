"""Polygons with holes as one ring, for formats that know no holes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from segpipe.base.jit import compiled

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def one_ring(polygon: Any) -> Float64:
    """The outline of a polygon as one ring.

    Every hole is joined, by a cut straight to the left from its leftmost corner, to the ring that is met first. The
    cut is passed twice, there and back: the ring encloses the same points by the even-odd and by the winding rule.

    Args:
        polygon: a shapely polygon, in units of about a pixel.

    Returns:
        (n, 2) corners, the first not repeated at the end.
    """
    if not polygon.interiors:
        return np.asarray(polygon.exterior.coords)[:-1]
    polygon = shapely.orient_polygons(polygon)
    holes = [np.asarray(hole.coords)[:-1] for hole in polygon.interiors]
    holes = [np.roll(hole, -int(np.lexsort((hole[:, 1], hole[:, 0]))[0]), axis=0) for hole in holes]
    holes.sort(key=lambda hole: (hole[0, 0], hole[0, 1]))  # what lies left of a hole comes before it
    rings = [np.asarray(polygon.exterior.coords)[:-1], *holes]
    starts = np.concatenate([[0], np.cumsum([len(ring) for ring in rings])])
    points = np.concatenate(rings)
    follower = np.arange(len(points)) + 1
    follower[starts[1:] - 1] = starts[:-1]
    edges, cuts = _meet_left(points, points[follower], starts)
    joined: dict[int, list[tuple[float, int]]] = {}  # by edge: how far along it, and the hole
    for hole, (edge, cut) in enumerate(zip(edges.tolist(), cuts.tolist(), strict=True), 1):
        along = abs(cut - points[edge, 0]) + abs(points[starts[hole], 1] - points[edge, 1])
        joined.setdefault(edge, []).append((along, hole))
    return _walk(points, starts, joined, cuts)


def _walk(points: Float64, starts: Int64, joined: dict[int, list[tuple[float, int]]], cuts: Float64) -> Float64:
    """Around the outer ring, and around each hole where its cut is met."""
    stops = np.array(sorted(joined))
    parts: list[Float64] = []
    # rings that are not finished: where to go on, where it ends, holes waiting at this edge, the way back
    open_rings: list[tuple[int, int, list[int], Float64]] = [(0, int(starts[1]), [], points[:0])]
    while open_rings:
        at, end, waiting, back = open_rings.pop()
        if not waiting and at < end:
            stop = int(np.searchsorted(stops, at))
            edge = int(stops[stop]) if stop < len(stops) and stops[stop] < end else end - 1
            parts.append(points[at : edge + 1])
            at = edge + 1
            waiting = [hole for _, hole in sorted(joined.get(edge, []), reverse=True)]
        if waiting:
            hole = waiting.pop()
            first = points[starts[hole]]
            cut = np.array([[cuts[hole - 1], first[1]]])
            parts.append(cut)
            open_rings.append((at, end, waiting, back))
            open_rings.append((int(starts[hole]), int(starts[hole + 1]), [], np.concatenate([first[None], cut])))
        elif at < end:
            open_rings.append((at, end, waiting, back))
        else:
            parts.append(back)
    return np.concatenate(parts)


@compiled
def _meet_left(start: Float64, end: Float64, starts: Int64) -> tuple[Int64, Float64]:
    """For every hole the edge of an earlier ring that is met first to the left of its first corner, and where (x)."""
    lowest, highest = np.floor(start[:, 1].min()), np.floor(start[:, 1].max())
    rows = np.int64(highest - lowest) + 1
    ends = np.zeros(rows + 1, np.int64)
    firsts, lasts = np.empty(len(start), np.int64), np.empty(len(start), np.int64)
    for edge in range(len(start)):
        firsts[edge] = np.int64(np.floor(min(start[edge, 1], end[edge, 1])) - lowest)
        lasts[edge] = np.int64(np.floor(max(start[edge, 1], end[edge, 1])) - lowest)
        for touched in range(firsts[edge], lasts[edge] + 1):
            ends[touched + 1] += 1
    for row in range(rows):
        ends[row + 1] += ends[row]
    listed, used = np.empty(ends[rows], np.int64), ends[:-1].copy()  # the edges that touch each row
    for edge in range(len(start)):
        for touched in range(firsts[edge], lasts[edge] + 1):
            listed[used[touched]] = edge
            used[touched] += 1
    edges, cuts = np.zeros(len(starts) - 2, np.int64), np.full(len(starts) - 2, -np.inf)
    for hole in range(1, len(starts) - 1):
        x, y = start[starts[hole], 0], start[starts[hole], 1]
        own = np.int64(np.floor(y) - lowest)
        for i in range(ends[own], ends[own + 1]):
            edge = listed[i]
            if edge >= starts[hole]:  # itself, or a later ring
                continue
            x0, y0, x1, y1 = start[edge, 0], start[edge, 1], end[edge, 0], end[edge, 1]
            if y < min(y0, y1) or y > max(y0, y1):
                continue
            level = max(min(x, max(x0, x1)), min(x0, x1))  # the nearest point of an edge that runs along the cut
            at = level if y0 == y1 else x0 + (y - y0) / (y1 - y0) * (x1 - x0)
            if cuts[hole - 1] < at <= x:
                edges[hole - 1], cuts[hole - 1] = edge, at
    return edges, cuts

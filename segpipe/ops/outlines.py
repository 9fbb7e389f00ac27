"""The outlines of regions along the sides of their pixels, traced once around each."""

from __future__ import annotations

from dataclasses import dataclass

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


def trace(labels: Int32) -> Rings:
    """The outlines of all regions.

    A ring has a corner where it turns and where three regions meet (or two and the map's edge), and nowhere else:
    neighbors share every corner of their common border, so that the rings are a coverage without gaps in any
    coordinates. Where two pixels of a region touch by a corner only, the ring passes from one to the other, so no ring
    meets itself and holes touch at most by corners: the polygons are valid (OGC 06-103r4, 6.1.11.1).

    Memory: 1 byte a pixel, and 8 to 16 bytes a corner.

    Args:
        labels: (H, W) numbers of regions that are connected by sides; negative: no region.
    """
    corners, starts, regions = _trace(np.ascontiguousarray(labels))
    order = np.argsort(regions, kind="stable")
    lengths = np.diff(starts)[order]
    moved = np.concatenate([[0], np.cumsum(lengths)])
    pick = np.repeat(starts[:-1][order] - moved[:-1], lengths) + np.arange(len(corners))
    return Rings(corners[pick], moved, regions[order])


@compiled
def _trace(labels: Int32) -> tuple[Int32, Int64, Int64]:
    """Walk with the region to the right; every ring has a part that goes right along the top of a pixel."""
    rows, cols = labels.shape
    walked = np.zeros((rows, cols), np.bool_)
    corners, count = np.empty((1024, 2), np.int32), 0
    starts, regions, rings = np.zeros(257, np.int64), np.empty(256, np.int64), 0
    # a step in each direction (right, down, left, up), and the pixel ahead to the right of a corner
    step_r, step_c = (0, 1, 0, -1), (1, 0, -1, 0)
    side_r, side_c = (0, 0, -1, -1), (0, -1, -1, 0)
    for top in range(rows):
        for left in range(cols):
            k = labels[top, left]
            if k < 0 or walked[top, left] or (top > 0 and labels[top - 1, left] == k):
                continue
            first = count
            r, c, way, keep = top, left, 0, True
            while True:
                if count + 2 > len(corners):
                    more = np.empty((2 * len(corners), 2), np.int32)
                    more[:count] = corners[:count]
                    corners = more
                if keep:
                    corners[count, 0], corners[count, 1] = c, r
                    count += 1
                if way == 0:
                    walked[r, c] = True
                r, c = r + step_r[way], c + step_c[way]
                ar, ac = r + side_r[way], c + side_c[way]
                lr, lc = r + side_r[(way + 3) % 4], c + side_c[(way + 3) % 4]
                br, bc = r + side_r[(way + 2) % 4], c + side_c[(way + 2) % 4]
                right = labels[ar, ac] if 0 <= ar < rows and 0 <= ac < cols else -1
                ahead = labels[lr, lc] if 0 <= lr < rows and 0 <= lc < cols else -1
                if ahead == k:
                    way, keep = (way + 3) % 4, True
                elif right == k:
                    behind = labels[br, bc] if 0 <= br < rows and 0 <= bc < cols else -1
                    keep = behind != ahead
                else:
                    way, keep = (way + 1) % 4, True
                if r == top and c == left and way == 0:
                    break
            corners[count, 0], corners[count, 1] = left, top
            count += 1
            if rings == len(regions):
                wider, longer = np.empty(2 * rings, np.int64), np.empty(2 * rings + 1, np.int64)
                wider[:rings], longer[: rings + 1] = regions, starts
                regions, starts = wider, longer
            regions[rings] = k
            rings += 1
            starts[rings] = count
            assert count > first + 4
    return corners[:count], starts[: rings + 1], regions[:rings]

"""Mean-field inference of a dense CRF with Potts compatibility (Krähenbühl, Koltun, NeurIPS 2011, algorithm 1).

Only classes that are present are carried. Many classes of a corpus are not in an image: their probabilities fall from
step to step, and with them their messages. Let a class keep the message m it has: what it misses from then on is less
than m while it falls, and to first order that changes the probabilities of a pixel, added up over classes, by less than
2 q m. Its columns are dropped when that, averaged over pixels and classes and added up over all classes that are
dropped, is below `tolerance`; it stays in the sum of every pixel, and in the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.parallel import ThreadTeam
from segpipe.ops.crf import class_rows as rows
from segpipe.ops.crf import meanfield_loops as loops
from segpipe.ops.crf.permutohedral import PermutohedralLattice
from segpipe.ops.crf.simd import has_halves
from segpipe.ops.crf.spatial_filter import Plane

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

LEAST_PROBABILITY = 1e-5
"""Probabilities below count as this: zero would forbid a class for good, whatever the neighbors say."""
_PART = np.float32(1 / rows.FULL)  # 16-bit floats end at 65504: vertices hold sums of probabilities, not of their parts
_STRONG = 20.0  # weights beyond which e^message may be too large a number to set aside


def infer(
    probabilities: Float32,
    near: Plane,
    far: PermutohedralLattice,
    weights: tuple[float, float],
    *,
    iterations: int,
    tolerance: float,
    team: ThreadTeam,
) -> Float32:
    """Run mean-field steps.

    Args:
        probabilities: (n, classes), finite.
        near: kernel of positions.
        far: kernel of positions and colors, d = 5.
        weights: what messages of the two kernels count.
        iterations: steps.
        tolerance: mean absolute change that classes may make which are not carried to the end; 0 carries all.
        team: the threads that do it; the result does not depend on their number.

    Returns:
        (n, classes), rows sum to 1.
    """
    pixels, count = probabilities.shape
    width = row_width(count)
    prior, q, new = _rows(pixels, width), _rows(pixels, width, np.uint16), _rows(pixels, width, np.uint16)
    given = (*_flat(probabilities), count, np.float32(LEAST_PROBABILITY))
    team.ranges(rows.enter, _shape(width), *given, prior, q, count=pixels)
    far_v = _rows(far.vertices, width, np.int16 if has_halves() else np.float32)
    near_gain, far_gain = (np.float32(w * s) for w, s in zip(weights, (near.scale, far.scale), strict=True))
    sources = (near.corners, near.weights, near_gain, far.corners, far.weights, far_gain, far_v)
    classes, out = np.arange(count), np.empty((pixels, count), np.float32)
    drops, left = may_drop(sum(weights), tolerance), tolerance
    levels, rest = (np.zeros(pixels if drops else 0, np.float32) for _ in range(2))
    dropped: list[tuple[Any, ...]] = []
    for remaining in reversed(range(iterations)):
        like = _shape(width)
        _filter(far, like, q, far_v, team)
        if not remaining:
            new = prior  # a row of the one is read before the row of the other is written
        one = np.float32(rows.FULL if remaining else 1)
        scores = np.empty((len(near.bands), width), np.float32)
        shared = (prior, rest, *sources, new, one, levels)
        bands = [(_splat(band), scores[i], near.cuts[i], near.cuts[i + 1]) for i, band in enumerate(near.bands)]
        team.calls(loops.step, [(like, *splat, q, _PART, *shared, *rows_of) for splat, *rows_of in bands])
        q, new = new, q
        if not drops or not remaining:
            continue
        losses = 2 * scores.sum(axis=0, dtype=np.float64)[: len(classes)] / (pixels * count * rows.FULL)
        gone = absent(losses, left)
        if len(gone):
            left -= float(losses[gone].sum())
            dropped.append((q, np.float32(rows.FULL), width, gone, classes[gone], levels.copy()))
            kept, old = np.delete(np.arange(len(classes)), gone), (q, prior, width)
            classes, width = classes[kept], row_width(len(kept))
            prior, q, new = _rows(pixels, width), new[: pixels * width], _rows(pixels, width, np.uint16)
            team.ranges(rows.narrow, *old, kept, gone, levels, rest, q, prior, width, count=pixels)
    same, one = np.empty(0, np.float32), np.float32(1 if iterations else rows.FULL)
    team.ranges(rows.leave, q, one, width, np.arange(len(classes)), classes, same, same, out, count=pixels)
    for columns in dropped:
        team.ranges(rows.leave, *columns, levels, out, count=pixels)
    return out


def may_drop(weight: float, tolerance: float) -> bool:
    """Whether classes may be dropped at all, given the sum of the kernels' weights."""
    return tolerance > 0 and weight <= _STRONG


def absent(losses: npt.NDArray[np.float64], tolerance: float) -> Int64:
    """Columns that need not be carried any longer.

    Args:
        losses: (columns,) what dropping each may change: 2 x probability x message, mean over pixels and classes.
        tolerance: what they may change together.

    Returns:
        Columns, ascending; none where rows would not become narrower.
    """
    order = np.argsort(losses, kind="stable")
    able = int((np.cumsum(losses[order]) <= tolerance).sum())
    left = row_width(len(losses) - able)
    return np.sort(order[: len(losses) - left]) if left < row_width(len(losses)) else order[:0]


def row_width(classes: int) -> int:
    """Numbers in a row of that many classes: half a cache line, one, or two and multiples of these."""
    return next(width for width in (8, 16, -(-classes // 32) * 32) if width >= classes)


def _shape(width: int) -> tuple[Any, ...]:
    """What compiled loops are told of rows of that width: as many tuples as vectors, each as long as a vector."""
    lanes = min(width, 32)
    return (((),) * lanes,) * (width // lanes)


def _flat(probabilities: Float32) -> tuple[Float32, int, int]:
    """Numbers as they lie in memory, and how far apart two pixels are there, and two classes."""
    pixels, count = probabilities.shape
    if probabilities.T.flags.c_contiguous:
        return probabilities.T.reshape(-1), 1, pixels
    return np.ascontiguousarray(probabilities).reshape(-1), count, 1


def _rows(count: int, width: int, dtype: type[np.generic] = np.float32) -> npt.NDArray[Any]:
    """Memory for rows that begin with a cache line."""
    each = np.dtype(dtype).itemsize
    spare = np.empty(count * width + 64 // each, dtype)
    skip = -(spare.ctypes.data // each) % (64 // each)
    return spare[skip : skip + count * width]


def _filter(
    lattice: PermutohedralLattice, like: tuple[Any, ...], q: loops.Shares, v: loops.Rows, team: ThreadTeam
) -> None:
    splat = (lattice.starts, lattice.pixels, lattice.shares, q, _PART, v)
    for stage in lattice.stages:
        tiles = stage.ends.shape[1] - 1
        team.ranges(loops.sweep, like, stage.rows, stage.members, stage.ends, *splat, count=tiles)


def _splat(band: PermutohedralLattice) -> tuple[Any, ...]:
    (stage,) = band.stages
    return stage.rows, stage.members, stage.ends, band.starts, band.pixels, band.shares

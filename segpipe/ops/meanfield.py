"""Mean-field inference of a dense CRF with Potts compatibility (Krähenbühl, Koltun, NeurIPS 2011, algorithm 1).

Only classes that are present are carried. Many classes of a corpus are not in an image: their probabilities fall from
step to step, and with them their messages. Let a class keep the message m it has: what it misses from then on is less
than m while it falls, and to first order that changes the probabilities of a pixel, added up over classes, by less than
2 q m. Its columns are dropped when that, averaged over pixels and classes and added up over all classes that are
dropped, is below `tolerance`; it stays in the sum of every pixel, and in the result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.parallel import Crew
from segpipe.ops import meanfield_loops as loops
from segpipe.ops.permutohedral import Lattice

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

LEAST_PROBABILITY = 1e-5
"""Probabilities below count as this: zero would forbid a class for good, whatever the neighbors say."""
_STRONG = 20.0  # weights beyond which e^message may be too large a number to set aside


@dataclass(frozen=True, slots=True)
class Kernel:
    """A lattice and what its messages count."""

    lattice: Lattice
    weight: float


def infer(
    probabilities: Float32, near: Kernel, far: Kernel, *, iterations: int, tolerance: float, crew: Crew
) -> Float32:
    """Run mean-field steps.

    Args:
        probabilities: (n, classes), finite.
        near: kernel of the plane, d = 2.
        far: kernel of position and color, d = 5.
        iterations: steps.
        tolerance: mean absolute change that classes may make which are not carried to the end; 0 carries all.
        crew: the threads that do it; the result does not depend on their number.

    Returns:
        (n, classes), rows sum to 1.
    """
    pixels, count = probabilities.shape
    width = row_width(count)
    prior, q = _rows(pixels, width), _rows(pixels, width, np.uint16)
    crew.ranges(loops.enter, probabilities, np.float32(LEAST_PROBABILITY), width, prior, q, count=pixels)
    values = [_rows(kernel.lattice.vertices, width) for kernel in (near, far)]
    classes, out = np.arange(count), np.empty((pixels, count), np.float32)
    drops, left = may_drop(near.weight + far.weight, tolerance), tolerance
    levels, rest = (np.zeros(pixels if drops else 0, np.float32) for _ in range(2))
    dropped: list[tuple[Float32, int, Int64, Int64, Float32]] = []
    blocks = -(-pixels // loops.BLOCK)
    for step in range(iterations):
        like, sources = _shape(width), []
        for kernel, v in zip((near, far), values, strict=True):
            _filter(kernel.lattice, like, q, v, crew)
            gain = np.float32(kernel.lattice.scale * kernel.weight / loops.FULL)
            sources += [kernel.lattice.corners, kernel.lattice.weights, gain, v]
        scores = np.empty((blocks, width), np.float32)
        last = step == iterations - 1
        one = np.float32(1 if last else loops.FULL)
        if last:
            q = _rows(pixels, width)
        crew.ranges(loops.update, like, prior, rest, *sources, q, one, levels, scores, count=blocks)
        if not drops or last:
            continue
        losses = 2 * scores.sum(axis=0, dtype=np.float64)[: len(classes)] / (pixels * count * loops.FULL)
        gone = absent(losses, left)
        if len(gone):
            left -= float(losses[gone].sum())
            dropped.append((q, np.float32(loops.FULL), width, gone, classes[gone], levels.copy()))
            kept, old, before = np.delete(np.arange(len(classes)), gone), (q, prior, width), (levels, rest)
            classes, width = classes[kept], row_width(len(kept))
            prior, q = _rows(pixels, width), _rows(pixels, width, np.uint16)
            crew.ranges(loops.narrow, *old, kept, *before, q, prior, width, count=pixels)
    same = np.empty(0, np.float32)
    crew.ranges(loops.leave, q, np.float32(1), width, np.arange(len(classes)), classes, same, same, out, count=pixels)
    for rows in dropped:
        crew.ranges(loops.leave, *rows, levels, out, count=pixels)
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
    """Numbers in a row of that many classes: half a cache line, or whole ones."""
    return next(width for width in (8, 16, 32, -(-classes // 16) * 16) if width >= classes)


def _shape(width: int) -> tuple[tuple[int, ...], ...]:
    """What compiled loops are told of rows of that width: as many tuples as vectors, each as long as a vector."""
    lanes = width if width <= 32 else 16
    return ((0,) * lanes,) * (width // lanes)


def _rows(count: int, width: int, dtype: type[np.generic] = np.float32) -> npt.NDArray[Any]:
    """Memory for rows that begin with a cache line."""
    each = np.dtype(dtype).itemsize
    spare = np.empty(count * width + 64 // each, dtype)
    skip = -(spare.ctypes.data // each) % (64 // each)
    return spare[skip : skip + count * width]


def _filter(lattice: Lattice, like: tuple[tuple[int, ...], ...], q: Float32, v: Float32, crew: Crew) -> None:
    splat = (lattice.starts, lattice.pixels, lattice.shares, q, v)
    for stage in lattice.stages:
        tiles = stage.ends.shape[1] - 1
        crew.ranges(loops.sweep, like, stage.rows, stage.members, stage.ends, *splat, count=tiles)

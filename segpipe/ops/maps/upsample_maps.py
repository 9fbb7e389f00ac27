"""Maps over patches become maps over the image's own pixels; what is kept of their mass; heads as colors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Grid, Size
from segpipe.ops.maps.blend import upsample

Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Rgb = npt.NDArray[np.uint8]


def to_pixels(patches: Float32, grid: Grid, out: Size, *, nearest: bool) -> Float32:
    """Draw a map over patches at a size of the same shape as the image.

    Args:
        patches: (rows, cols) of `grid`.
        grid: how the image became patches; its padding is left out.
        out: the size wanted.
        nearest: every pixel takes the value of its patch (as DINO's demonstration does) instead of a value
            interpolated bilinearly between patches.

    Returns:
        (out.height, out.width) float32, in the map's unit.
    """
    y, x = grid.patch_positions(out)
    if nearest:
        rows, cols = (
            np.clip(np.rint(at), 0, count - 1).astype(np.intp) for at, count in ((y, grid.rows), (x, grid.cols))
        )
        return np.asarray(patches[rows[:, None], cols], np.float32)
    return np.ascontiguousarray(upsample(patches[..., None], y, x)[..., 0])


def mass_threshold(values: Float32, share: float) -> float:
    """The largest level such that the values from it upward hold at least a share of the sum of all.

    Args:
        values: any shape, none negative; at least one.
        share: more than 0, at most 1.
    """
    falling = np.sort(values, axis=None)[::-1]
    mass = np.cumsum(falling, dtype=np.float64)
    # searching one ulp lower: the whole sum must be found although it was added up in another order
    first = int(np.searchsorted(mass, np.nextafter(share * mass[-1], 0)))
    return float(falling[min(first, len(falling) - 1)])


def keep_mass(values: Float32, share: float, valid: Bools | None = None) -> Bools:
    """The pixels that hold a share of a map's mass, the strongest first.

    Pixels as strong as the weakest that is needed are all kept, so a map drawn with `nearest` keeps whole patches.

    Args:
        values: (H, W), none negative.
        share: more than 0, at most 1.
        valid: (H, W); pixels that hold no image neither count nor are kept.

    Returns:
        (H, W); all False where the map holds no mass at all.
    """
    inside = values > 0 if valid is None else (values > 0) & valid
    if not inside.any():
        return inside
    return np.asarray(inside & (values >= mass_threshold(values[inside], share)))


def rescale(values: Float32, low: float, top: float) -> Float32:
    """Strength 0 to 1 of each value: `low` becomes 0, `top` 1, what lies outside is clipped; 0 without a span."""
    first, last = np.float32(low), np.float32(top)  # the bounds in the precision of the values, so that `last` gives 1
    span = last - first
    if span < np.finfo(np.float32).tiny:
        return np.zeros_like(values)
    inside = np.clip(values, first, last)  # first, so that no quotient overflows
    return np.asarray(np.clip((inside - first) / span, 0, 1), np.float32)


def mix_heads(strengths: Sequence[Float32], colors: Rgb) -> Rgb:
    """One image of all heads: where one head alone is strong its color shows, where none is, black.

    The hue is the mean of the heads' colors, weighted by the square of their strengths so that the leading head shows;
    the brightness is the root of the largest strength: on black, colors are distinguished only where they are bright.

    Args:
        strengths: for each head (H, W), 0 to 1.
        colors: (heads, 3) RGB.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    shape = strengths[0].shape
    total, paint, most = np.zeros(shape, np.float32), np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    for strength, color in zip(strengths, colors, strict=True):
        weight = strength * strength
        total += weight
        paint += weight[..., None] * color.astype(np.float32)
        np.maximum(most, strength, out=most)
    paint *= (np.sqrt(most) / np.maximum(total, np.finfo(np.float32).tiny))[..., None]
    return np.rint(paint).astype(np.uint8)

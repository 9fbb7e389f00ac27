"""What is measured of maps and features when an image is corrupted: pure functions of arrays.

A map says how much a backbone looks at every patch of an image; features are one vector per patch. Every measure of
one image is a pair (part, whole); over images it is the sum of parts by the sum of wholes, so that an image in
which almost nothing is at stake weighs almost nothing. A mean is the case where every whole is 1. Pairs that are not
finite say nothing and take no part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segpipe.ops.metrics.bootstrap import resample
from segpipe.ops.metrics.skewed_interval import jackknife_skewness, one_sample

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]
Pair = tuple[float, float]

NOTHING: Pair = (float("nan"), float("nan"))
"""A measure that this image cannot give."""
FEW = 4
"""Fewer patches than that which both images show give no comparison."""


def mean_of(values: Sequence[float] | float) -> Pair:
    """One number, or the mean of some, as a pair whose whole is 1."""
    value = float(np.mean(values))
    return (value, 1.0) if np.isfinite(value) else NOTHING


def shares(values: Floats, weights: Floats | None = None) -> Float64:
    """A map as parts of 1, (rows, cols): each value times its weight by the sum of all; NaN where that is not positive.

    Args:
        values: (rows, cols), none negative.
        weights: (rows, cols), 0 to 1: how much of each patch counts; all of every patch without.
    """
    mass = values.astype(np.float64) if weights is None else values.astype(np.float64) * weights
    total = mass.sum()
    return np.asarray(mass / total if total > 0 else np.full(mass.shape, np.nan))


def overlap(before: Floats, after: Floats, weights: Floats | None = None) -> float:
    """How much of a map stays where it was: sum over patches of min(p, q), both maps as shares; 1 if nothing moves.

    The similarity SIM, or histogram intersection, of saliency maps (Bylinskii et al. 2019, IEEE TPAMI 41(3), section
    4.1.4); 1 minus the total variation between the two.

    Args:
        before: (rows, cols), none negative.
        after: (rows, cols), the same patches.
        weights: (rows, cols), 0 to 1: how much of each patch counts.
    """
    return float(np.minimum(shares(before, weights), shares(after, weights)).sum())


def correlation(before: Floats, after: Floats, weights: Floats | None = None) -> float:
    """Pearson's correlation of two maps over patches, weighted; NaN where one of them is the same everywhere."""
    w = shares(np.ones(before.shape), weights)
    a, b = (x - (w * x).sum() for x in (before.astype(np.float64), after.astype(np.float64)))
    spread = float(np.sqrt((w * a * a).sum() * (w * b * b).sum()))
    level = float(np.abs(before).max() * np.abs(after).max())
    return float((w * a * b).sum() / spread) if spread > 1e-9 * level else float("nan")  # below lies rounding


def change(before: Floats, after: Floats, weights: Floats | None = None) -> Pair:
    """How much values themselves change: (sum of |after - before|, sum of before), whose quotient is 0 if they stay.

    Args:
        before: (rows, cols), in the map's own unit.
        after: (rows, cols), the same patches.
        weights: (rows, cols), 0 to 1: how much of each patch counts.
    """
    w = np.ones(before.shape) if weights is None else weights
    moved = np.abs(after.astype(np.float64) - before)
    return float((w * moved).sum()), float((w * before).sum())


def attraction(before: Floats, after: Floats, touched: Floats) -> Pair:
    """What is drawn to some pixels: (their share of the map after, before); their quotient is 1 if nothing is.

    Both are of the same pixels, so the quotient is that of the map per unit of area too, and where in the frame the
    pixels lie plays no part.

    Args:
        before: (rows, cols), none negative.
        after: (rows, cols), the same patches.
        touched: (rows, cols), the share of each patch that was touched. Within a patch a map is taken for even.
    """
    if not touched.any():
        return NOTHING
    return float((shares(after) * touched).sum()), float((shares(before) * touched).sum())


def covered(mask: npt.NDArray[np.bool_], patch: int) -> Float64:
    """The share of every patch (rows, cols) that a mask of pixels (rows * patch, cols * patch) holds."""
    rows, cols = mask.shape[0] // patch, mask.shape[1] // patch
    return np.asarray(mask.reshape(rows, patch, cols, patch).mean(axis=(1, 3)))


# --- features -------------------------------------------------------------------------------------------------------


def directions(features: Floats, mean: Floats) -> Float32:
    """Features (..., d) seen from the mean of all images (d,), scaled to length 1.

    Without the mean, that all features of a network share, two unrelated ones have a cosine near 0.
    """
    seen = features.astype(np.float32) - mean.astype(np.float32)
    length = np.linalg.norm(seen, axis=-1, keepdims=True)
    return np.asarray(seen / np.maximum(length, np.finfo(np.float32).tiny))


def cosine(before: Float32, after: Float32, weights: Floats | None = None) -> float:
    """Mean cosine of features of the same places.

    Args:
        before: (rows, cols, d), of length 1.
        after: the same places, of length 1.
        weights: (rows, cols), 0 to 1: how much of each patch counts.
    """
    cosines = np.einsum("rcd,rcd->rc", before, after, dtype=np.float64)
    return float((cosines * shares(np.ones(cosines.shape), weights)).sum())


def found_again(before: Float32, after: Float32, at: Float64, weights: Floats | None = None) -> float:
    """Share of the patches found again: that of the most similar features lies within a patch of the right place.

    Args:
        before: (rows, cols, d), of length 1.
        after: (rows', cols', d), of length 1, the corrupted image's own patches.
        at: (rows, cols, 2), where every patch of `before` lies in `after`: row and column in patches.
        weights: (rows, cols), 0 to 1: how much of each patch counts.
    """
    best = (before.reshape(-1, before.shape[-1]) @ after.reshape(-1, after.shape[-1]).T).argmax(axis=1)
    place = np.stack(np.unravel_index(best, after.shape[:2]), axis=-1).reshape(at.shape)
    right = np.abs(place - at).max(axis=-1) <= 1
    return float((right * shares(np.ones(right.shape), weights)).sum())


# --- over images --------------------------------------------------------------------------------------------------


def bootstrap_ratio(
    pairs: Sequence[Pair], *, draws: int, seed: int, ends: tuple[float, float]
) -> tuple[float, float, float, int] | None:
    """A measure over images with its 95% interval: sum of parts by sum of wholes, images resampled.

    Args:
        pairs: one of each image.
        draws: how many samples are drawn with replacement (Efron 1979), each as large as the first.
        seed: of the draws.
        ends: the least and the most that the measure can be.

    Returns:
        Value, low, high (see `skewed_interval`; NaN for fewer than two images, whose spread nobody knows) and the
        number of images that gave one. None where no image did.
    """
    table = np.array([pair for pair in pairs if np.isfinite(pair).all()], np.float64).reshape(-1, 2)
    part, whole = table.sum(axis=0)
    if not len(table) or whole <= 0:
        return None
    if len(table) == 1:
        return part / whole, float("nan"), float("nan"), 1
    sums = np.concatenate([times @ table for times in resample(len(table), draws=draws, seed=seed, width=2)])
    found, skew = _ratios(table.sum(axis=0)[None]), jackknife_skewness(_ratios(table.sum(axis=0) - table))
    low, high = one_sample(_ratios(sums), found[0], len(table), ends=ends, skew=skew)
    return float(part / whole), float(low[0]), float(high[0]), len(table)


def _ratios(sums: Float64) -> Float64:
    """(n, 1) parts by wholes (n, 2); NaN where the whole is nothing."""
    unknown = np.full((len(sums), 1), np.nan)
    return np.asarray(np.divide(sums[:, :1], sums[:, 1:], out=unknown, where=sums[:, 1:] > 0))

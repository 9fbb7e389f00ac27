"""The shift of color that all images of a date share, and the same images without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_SELDOM = 1e-4  # share of the places below which a value says nothing
_TOGETHER = 0.5  # correlation
_NEIGHBORS = 5  # values whose median is taken
_LEAST = 1.0  # gray levels of contrast below which a channel says nothing


@dataclass(frozen=True, slots=True)
class ColorStatistics:
    """Mean and standard deviation of red, green and blue over the pixels of a date, 0 to 255."""

    mean: Float64
    """(3,)"""
    deviation: Float64
    """(3,)"""

    @classmethod
    def of(cls, pixels: npt.NDArray[np.integer]) -> ColorStatistics:
        """Of pixels (n, 3)."""
        values = pixels.astype(np.float64)
        return cls(values.mean(axis=0), values.std(axis=0))


def color_table(source: ColorStatistics, target: ColorStatistics) -> Rgb:
    """What each value of each channel becomes so that a date has mean and contrast of another (Reinhard et al., 2001).

    One line per channel, the same for all images: what is darker than its neighbors stays so.

    Returns:
        (256, 3) the new value of each value of red, green and blue.
    """
    values = np.arange(256, dtype=np.float64)[:, None]
    known = (source.deviation >= _LEAST) & (target.deviation >= _LEAST)
    gain = np.where(known, target.deviation / np.maximum(source.deviation, _LEAST), 1.0)
    moved = (values - source.mean) * gain + target.mean
    return np.asarray(np.rint(np.clip(moved, 0, 255)), np.uint8)


def joint_histogram(first: Rgb, second: Rgb) -> Int64:
    """How often each value of a channel meets each value of the same channel at the same places.

    Args:
        first: (n, 3) red, green and blue.
        second: (n, 3) at the same places.

    Returns:
        (3, 256, 256): channel, value in the first, value in the second.
    """
    pairs = first.astype(np.int64) * 256 + second
    counts = [np.bincount(pairs[:, channel], minlength=1 << 16).reshape(256, 256) for channel in range(3)]
    return np.stack(counts)


def matched_table(histogram: Int64) -> Rgb:
    """What each value of each channel has become where most of the ground is the same.

    The median of the values that it meets, which less than half of changed ground does not move, then that of its
    neighbors; values that are too seldom to say are interpolated, beyond the others by the line through all of them,
    and brighter ones do not become darker. Of a channel whose values hardly belong together, mean and contrast are
    brought to those of the second, as `color_table` does.

    Args:
        histogram: of `joint_histogram`, of all places.

    Returns:
        (256, 3) as of `color_table`.
    """
    from scipy.ndimage import median_filter  # both take a moment to load
    from scipy.optimize import isotonic_regression

    table = color_table(*(_statistics(histogram.sum(axis=axis)) for axis in (2, 1)))
    for channel, counts in enumerate(histogram):
        total = counts.sum(axis=1)
        known = np.flatnonzero(total >= max(1, _SELDOM * counts.sum()))
        if not len(known) or _correlation(counts) < _TOGETHER:
            continue
        medians = (counts[known].cumsum(axis=1) * 2 >= total[known, None]).argmax(axis=1)
        even = median_filter(medians, _NEIGHBORS, mode="nearest")
        rising = isotonic_regression(even, weights=total[known]).x
        table[:, channel] = np.rint(np.clip(_extended(known, rising, total[known]), 0, 255)).astype(np.uint8)
    return table


def _extended(known: Int64, found: Float64, weights: Int64) -> Float64:
    """(256,) values between those that are known, and beyond them with the slope of the line through all of them."""
    every = np.arange(256)
    slope = np.polyfit(known, found, 1, w=np.sqrt(weights))[0] if len(known) > 1 else 1.0
    beyond = np.minimum(every - known[0], 0) + np.maximum(every - known[-1], 0)
    return np.asarray(np.interp(every, known, found) + slope * beyond)


def _statistics(counts: Int64) -> ColorStatistics:
    """Of values (3, 256) that are so often there."""
    share, values = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), np.arange(256)
    mean = share @ values
    return ColorStatistics(mean, np.sqrt(np.maximum(share @ values**2 - mean**2, 0)))


def _correlation(counts: Int64) -> float:
    """Of the values of a channel at both dates, (256, 256)."""
    values = np.arange(256) - 127.5
    share = counts / counts.sum()
    mean = share.sum(axis=1) @ values, share.sum(axis=0) @ values
    spread = [np.sqrt(share.sum(axis=axis) @ values**2 - own**2) for axis, own in zip((1, 0), mean, strict=True)]
    return float((values @ share @ values - mean[0] * mean[1]) / max(1e-9, spread[0] * spread[1]))


def recolored(rgb: Rgb, table: Rgb) -> Rgb:
    """A picture (h, w, 3) by a table of `color_table`."""
    return np.stack([table[rgb[..., channel], channel] for channel in range(3)], axis=-1)

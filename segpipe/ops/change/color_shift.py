"""The shift of color that all images of a date share, and the same images without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]

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


def recolored(rgb: Rgb, table: Rgb) -> Rgb:
    """A picture (h, w, 3) by a table of `color_table`."""
    return np.stack([table[rgb[..., channel], channel] for channel in range(3)], axis=-1)

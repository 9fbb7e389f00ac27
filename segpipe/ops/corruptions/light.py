"""Corruptions of light: how much there is, where it comes from, and what a sensor makes of little of it."""

from __future__ import annotations

import math

import numpy as np

from segpipe.ops.corruptions.common import by_kornia, in_linear_light, to_bytes
from segpipe.records.corruption import CorruptedImage, Rgb

_READING = 0.2
"""Share of the variance at middle gray that does not come from the light: what reading the sensor adds."""


def darken(rgb: Rgb, stops: float, rng: np.random.Generator) -> CorruptedImage:
    """Underexposed: each stop halves the light."""
    return CorruptedImage(in_linear_light(rgb, lambda light: light * np.float32(2**-stops)))


def brighten(rgb: Rgb, stops: float, rng: np.random.Generator) -> CorruptedImage:
    """Overexposed: each stop doubles the light; what is brighter than white is white."""
    return CorruptedImage(in_linear_light(rgb, lambda light: light * np.float32(2**stops)))


def lower_contrast(rgb: Rgb, lost: float, rng: np.random.Generator) -> CorruptedImage:
    """A share of the contrast is lost: colors move towards the mean gray of the image (kornia's, as Pillow's)."""
    from kornia.enhance import adjust_contrast_with_mean_subtraction

    return CorruptedImage(by_kornia(rgb, lambda p: adjust_contrast_with_mean_subtraction(p, 1 - lost)))


def light_gradient(rgb: Rgb, stops: float, rng: np.random.Generator) -> CorruptedImage:
    """One side brighter, the other darker, by so many stops from end to end, in any direction; the middle stays."""
    height, width = rgb.shape[:2]
    towards = rng.uniform(0, 2 * math.pi)
    x, y = np.arange(width) - (width - 1) / 2, np.arange(height)[:, None] - (height - 1) / 2
    along = math.cos(towards) * x + math.sin(towards) * y
    gains = np.exp2(stops * along / max(2 * float(np.abs(along).max()), 1e-9)).astype(np.float32)
    return CorruptedImage(in_linear_light(rgb, lambda light: light * gains[..., None]))


def add_noise(rgb: Rgb, sigma: float, rng: np.random.Generator) -> CorruptedImage:
    """Sensor noise of `sigma` gray levels at middle gray; its variance grows with the light, as photons are counted.

    The affine variance is that of Foi et al., Practical Poissonian-Gaussian noise modeling, IEEE TIP 2008, eq. (3).
    """
    values = rgb.astype(np.float32)
    spread = sigma * np.sqrt(_READING + (1 - _READING) * values / 128)
    return CorruptedImage(to_bytes(values + spread * rng.standard_normal(rgb.shape, np.float32)))

"""Corruptions of color. Kornia turns hues and takes color away."""

from __future__ import annotations

import math

import numpy as np

from segpipe.ops.corruptions.common import by_kornia, in_linear_light
from segpipe.records.corruption import CorruptedImage, Rgb


def shift_hue(rgb: Rgb, degrees: float, rng: np.random.Generator) -> CorruptedImage:
    """Every hue (of HSV) turned by so many degrees, to either side."""
    from kornia.enhance import adjust_hue

    angle = math.radians(degrees) * float(rng.choice((-1, 1)))
    return CorruptedImage(by_kornia(rgb, lambda p: adjust_hue(p, angle)))


def desaturate(rgb: Rgb, lost: float, rng: np.random.Generator) -> CorruptedImage:
    """A share of the color is lost; with all of it lost the image is gray."""
    return _saturation(rgb, 1 - lost)


def saturate(rgb: Rgb, times: float, rng: np.random.Generator) -> CorruptedImage:
    """Colors `times` as far from gray as they were."""
    return _saturation(rgb, times)


def _saturation(rgb: Rgb, factor: float) -> CorruptedImage:
    from kornia.enhance import adjust_saturation_with_gray_subtraction

    return CorruptedImage(by_kornia(rgb, lambda p: adjust_saturation_with_gray_subtraction(p, float(factor))))


def cast(rgb: Rgb, stops: float, rng: np.random.Generator) -> CorruptedImage:
    """A wrong white balance, to any color: so many stops lie between the most and the least favored channel.

    The gains of the three channels multiply to 1.
    """
    towards = rng.uniform(0, 2 * math.pi)
    leaning = np.cos(towards + np.array([0, 2, 4]) * math.pi / 3)  # sums to 0
    gains = np.exp2(stops * leaning / (leaning.max() - leaning.min())).astype(np.float32)
    return CorruptedImage(in_linear_light(rgb, lambda light: light * gains))

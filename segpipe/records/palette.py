"""Palette: class colors, and the values that mean no class."""

from __future__ import annotations

import colorsys

import numpy as np
import numpy.typing as npt

IGNORE = 255
"""Value of unlabelled pixels in label maps of 8 bits."""


def nodata(classes: int) -> int:
    """The mask value of pixels that hold no image: 255, or 65535 where 8 bits do not hold all classes.

    >>> nodata(27), nodata(255), nodata(256)
    (255, 255, 65535)
    """
    return 255 if classes <= 255 else 65535


def class_colors(classes: int) -> npt.NDArray[np.uint8]:
    """Distinct RGB colours (classes, 3): hues by the golden ratio, lightness and saturation in turns.

    The first colours do not change when more are asked for.
    """
    colors = []
    for i in range(classes):
        hue = (0.58 + i * 0.61803398875) % 1.0
        lightness, saturation = ((0.55, 0.75), (0.38, 0.80), (0.72, 0.65))[(i // 7 + i) % 3]
        colors.append([round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, saturation)])
    return np.array(colors, np.uint8).reshape(classes, 3)

"""Hue, saturation and casts against colorsys and Pillow."""

import math

import numpy as np
import pytest
from PIL import Image

from segpipe.ops.corruptions.registry import (
    CORRUPTIONS,
    corrupt,
)
from tests.helpers.srgb import srgb_to_linear

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_hue_turns_as_in_colorsys_and_gray_stays() -> None:
    import colorsys

    colors = np.array([[(200, 40, 60), (10, 180, 90), (30, 60, 220), (120, 120, 120)]], np.uint8)
    found = corrupt(CORRUPTIONS["hue"], colors, 60, seed=0, image=1).rgb
    expected = []
    for turn in (-60, 60):
        turned = []
        for color in colors[0]:
            hue, saturation, value = colorsys.rgb_to_hsv(*(color / 255))
            turned.append([255 * part for part in colorsys.hsv_to_rgb((hue + turn / 360) % 1, saturation, value)])
        expected.append(np.abs(found[0] - np.array(turned)).max())
    assert min(expected) <= 1.01
    assert max(expected) > 50


def test_color_is_lost_as_pillow_loses_it(photo: np.ndarray) -> None:
    from PIL import ImageEnhance

    half = np.asarray(ImageEnhance.Color(Image.fromarray(photo)).enhance(0.5)).astype(int)
    found = corrupt(CORRUPTIONS["desaturation"], photo, 0.5, seed=0, image=0).rgb
    assert np.abs(found - half).max() <= 2
    gray = corrupt(CORRUPTIONS["desaturation"], photo, 1, seed=0, image=0).rgb
    assert (gray == gray[..., :1]).all()
    contrast = np.asarray(ImageEnhance.Contrast(Image.fromarray(photo)).enhance(0.4)).astype(int)
    assert np.abs(corrupt(CORRUPTIONS["contrast"], photo, 0.6, seed=0, image=0).rgb - contrast).max() <= 2


def test_a_cast_keeps_the_product_of_channels() -> None:
    gray = np.full((4, 4, 3), 80, np.uint8)
    for image in range(4):
        red, green, blue = corrupt(CORRUPTIONS["cast"], gray, 1, seed=0, image=image).rgb[0, 0]
        stops = sorted(math.log2(srgb_to_linear(part) / srgb_to_linear(80)) for part in (red, green, blue))
        assert sum(stops) == pytest.approx(0, abs=0.08)
        assert stops[-1] - stops[0] == pytest.approx(1, abs=0.08)

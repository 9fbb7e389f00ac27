"""Hue, saturation and casts against colorsys and Pillow."""

import colorsys
import math

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from segpipe.ops.corruptions.color import cast, desaturate, saturate, shift_hue
from tests.helpers.srgb import srgb_to_linear

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_hue_turns_as_in_colorsys_and_gray_stays() -> None:
    colors = np.array([[(200, 40, 60), (10, 180, 90), (30, 60, 220), (120, 120, 120)]], np.uint8)
    turns = []
    for turn in (-60, 60):
        turned = []
        for color in colors[0]:
            hue, saturation, value = colorsys.rgb_to_hsv(*(color / 255))
            turned.append([255 * part for part in colorsys.hsv_to_rgb((hue + turn / 360) % 1, saturation, value)])
        turns.append(np.array(turned))
    sides = set()
    for seed in range(8):
        found = shift_hue(colors, 60, np.random.default_rng(seed)).rgb[0]
        away = [np.abs(found - turned).max() for turned in turns]
        assert min(away) <= 1.01
        assert max(away) > 50
        sides.add(int(np.argmin(away)))
    assert sides == {0, 1}  # to either side


def test_color_is_lost_as_pillow_loses_it(photo: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    half = np.asarray(ImageEnhance.Color(Image.fromarray(photo)).enhance(0.5)).astype(int)
    assert np.abs(desaturate(photo, 0.5, rng).rgb - half).max() <= 2
    gray = desaturate(photo, 1, rng).rgb
    assert (gray == gray[..., :1]).all()
    assert (desaturate(photo, 0, rng).rgb == photo).all()


def test_colors_go_as_far_from_gray_as_pillow_takes_them(photo: np.ndarray) -> None:
    more = np.asarray(ImageEnhance.Color(Image.fromarray(photo)).enhance(2)).astype(int)
    found = saturate(photo, 2, np.random.default_rng(0)).rgb
    assert np.abs(found - more).max() <= 3
    assert np.ptp(found.astype(int), axis=-1).mean() > 1.3 * np.ptp(photo.astype(int), axis=-1).mean()


def test_a_cast_keeps_the_product_of_channels() -> None:
    gray = np.full((4, 4, 3), 80, np.uint8)
    for seed in range(4):
        found = cast(gray, 1, np.random.default_rng(seed)).rgb
        assert (found == found[0, 0]).all()
        stops = sorted(math.log2(srgb_to_linear(part) / srgb_to_linear(80)) for part in found[0, 0])
        assert sum(stops) == pytest.approx(0, abs=0.08)
        assert stops[-1] - stops[0] == pytest.approx(1, abs=0.08)

"""Exposure, gradients and noise against statements about light."""

import math

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from segpipe.ops.corruptions.light import add_noise, brighten, darken, light_gradient, lower_contrast
from tests.helpers.srgb import linear_to_byte, srgb_to_linear

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_exposure_halves_and_doubles_light(photo: np.ndarray) -> None:
    dark = darken(photo, 2, np.random.default_rng(0)).rgb
    bright = brighten(photo, 1, np.random.default_rng(0)).rgb
    for place in ((0, 0, 0), (60, 80, 1), (100, 20, 2)):
        light = srgb_to_linear(photo[place])
        assert dark[place] == pytest.approx(linear_to_byte(light / 4), abs=0.6)
        assert bright[place] == pytest.approx(linear_to_byte(light * 2), abs=0.6)


def test_contrast_is_lost_as_pillow_loses_it(photo: np.ndarray) -> None:
    expected = np.asarray(ImageEnhance.Contrast(Image.fromarray(photo)).enhance(0.4)).astype(int)
    assert np.abs(lower_contrast(photo, 0.6, np.random.default_rng(0)).rgb - expected).max() <= 2


def test_a_gradient_spans_its_stops_and_leaves_the_middle() -> None:
    gray = np.full((101, 101, 3), 90, np.uint8)
    for seed in range(4):
        found = light_gradient(gray, 2, np.random.default_rng(seed)).rgb[..., 0]
        light = np.vectorize(srgb_to_linear)(found.astype(float))
        assert found[50, 50] == pytest.approx(90, abs=1)
        assert math.log2(light.max() / light.min()) == pytest.approx(2, abs=0.15)
        row, col = np.unravel_index(light.argmax(), light.shape)
        assert min(row, 100 - row) + min(col, 100 - col) < 5  # in a corner, as far as bytes tell


def test_noise_is_as_strong_as_it_says_and_grows_with_light() -> None:
    spread = []
    for level in (32, 128, 192):
        gray = np.full((120, 120, 3), level, np.uint8)
        found = add_noise(gray, 8, np.random.default_rng(0)).rgb.astype(float) - level
        assert abs(found.mean()) < 0.2
        spread.append(found.std())
    assert spread[1] == pytest.approx(8, rel=0.03)
    assert spread[0] < spread[1] < spread[2]

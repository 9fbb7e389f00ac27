"""Water against its formula, pixel by pixel."""

import math

import numpy as np
import pytest

from segpipe.ops.corruptions import underwater as water
from segpipe.ops.corruptions.registry import (
    CORRUPTIONS,
    corrupt,
)
from tests.helpers.srgb import linear_to_byte, srgb_to_linear

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize(("name", "kind"), [("veil", water.OCEANIC_III), ("green-veil", water.COASTAL_5C)])
def test_the_veil_is_the_formula_pixel_by_pixel(name: str, kind: water.Water) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (9, 4, 3), np.uint8)
    found = corrupt(CORRUPTIONS[name], rgb, 3, seed=0, image=0).rgb
    rate = [a + b for a, b in zip(kind.absorption, kind.scattering, strict=True)]
    left = [math.exp(-5 * k) for k in kind.downwelling]
    glow = [b * e / c for b, e, c in zip(kind.scattering, left, rate, strict=True)]
    scale = 0.18 / (sum(glow) / 3)
    for row in range(9):
        distance = 3 * (1 - 0.75 * row / 8)
        for col in range(4):
            for c in range(3):
                clear = math.exp(-rate[c] * distance)
                light = srgb_to_linear(rgb[row, col, c]) * clear + scale * glow[c] * (1 - clear)
                assert found[row, col, c] == pytest.approx(linear_to_byte(light), abs=0.6)


def test_red_fades_first_in_clear_water() -> None:
    red, green, blue = water.OCEANIC_III.attenuation
    assert red > blue > green
    veil = water.OCEANIC_III.veil
    assert veil.mean() == pytest.approx(0.18)
    assert veil.argmin() == 0

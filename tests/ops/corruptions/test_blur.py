"""Blur against scipy, and a point that moves along a line."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from segpipe.ops.corruptions.blur import blur, motion_blur
from segpipe.records.corruption import CorruptedImage, Rgb

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("sigma", [2, 8])
def test_blur_is_scipys_gaussian(photo: np.ndarray, sigma: float) -> None:
    found = blur(photo, sigma, np.random.default_rng(0)).rgb
    here = sigma * 163 / 480
    expected = ndimage.gaussian_filter(photo.astype(float), (here, here, 0), mode="nearest", truncate=4)
    assert np.abs(found - expected).max() < 1.0


def test_motion_blur_draws_a_point_out_along_one_line() -> None:
    rgb = np.zeros((97, 97, 3), np.uint8)
    rgb[48, 48] = 255
    directions = []
    for seed in range(4):
        found = motion_blur(rgb, 51, np.random.default_rng(seed)).rgb[..., 0].astype(float)
        rows, cols = np.nonzero(found)
        spread, axes = np.linalg.eigh(np.cov(rows, cols, aweights=found[rows, cols]))
        length = 51 * 97 / 480
        assert spread[1] == pytest.approx(length**2 / 12, rel=0.35)
        assert spread[0] < 0.8
        assert found.sum() == pytest.approx(255, rel=0.25)  # bytes are rounded
        directions.append(axes[:, 1])
    assert min(abs(one @ directions[0]) for one in directions[1:]) < 0.95  # the direction is left to chance


@pytest.mark.parametrize("corrupt", [blur, motion_blur])
def test_what_has_one_color_keeps_it_to_the_border(
    corrupt: Callable[[Rgb, float, np.random.Generator], CorruptedImage],
) -> None:
    rgb = np.full((30, 41, 3), (200, 3, 90), np.uint8)
    for length in (1, 60):
        found = corrupt(rgb, length, np.random.default_rng(0))
        assert (found.rgb == rgb).all()
        assert found.back is found.touched is None

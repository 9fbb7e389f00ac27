"""Blur against scipy, and a point that moves along a line."""

import numpy as np
import pytest
from scipy import ndimage

from segpipe.ops.corruptions.registry import (
    CORRUPTIONS,
    corrupt,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("sigma", [2, 8])
def test_blur_is_scipys_gaussian(photo: np.ndarray, sigma: float) -> None:
    found = corrupt(CORRUPTIONS["blur"], photo, sigma, seed=0, image=0).rgb
    here = sigma * 163 / 480
    expected = ndimage.gaussian_filter(photo.astype(float), (here, here, 0), mode="nearest", truncate=4)
    assert np.abs(found - expected).max() < 1.0


def test_motion_blur_draws_a_point_out_along_one_line() -> None:
    rgb = np.zeros((97, 97, 3), np.uint8)
    rgb[48, 48] = 255
    for image in range(4):
        found = corrupt(CORRUPTIONS["motion-blur"], rgb, 51, seed=0, image=image).rgb[..., 0].astype(float)
        rows, cols = np.nonzero(found)
        spread = np.linalg.eigvalsh(np.cov(rows, cols, aweights=found[rows, cols]))
        length = 51 * 97 / 480
        assert spread[1] == pytest.approx(length**2 / 12, rel=0.35)
        assert spread[0] < 0.8
        assert found.sum() == pytest.approx(255, rel=0.25)  # bytes are rounded

"""An image that all corruptions are tried on."""

import numpy as np
import pytest
from scipy import ndimage


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A picture of many colors with some grain, odd sizes."""
    rng = np.random.default_rng(3)
    noise = ndimage.gaussian_filter(rng.standard_normal((121, 163, 3)), (5, 5, 0))
    grain = 8 * rng.standard_normal((121, 163, 1))
    return np.clip(128 + 40 * noise / noise.std() + grain, 0, 255).astype(np.uint8)

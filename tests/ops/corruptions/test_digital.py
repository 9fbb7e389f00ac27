"""Codec artefacts against Pillow and the definition of the DCT."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from segpipe.ops.corruptions.registry import (
    CORRUPTIONS,
    corrupt,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("quality", [50, 5])
def test_jpeg_is_that_of_pillow(photo: np.ndarray, quality: int) -> None:
    coded = io.BytesIO()
    Image.fromarray(photo).save(coded, "JPEG", quality=quality, subsampling="4:2:0")
    expected = np.asarray(Image.open(coded).convert("RGB")).astype(int)
    found = corrupt(CORRUPTIONS["jpeg"], photo, quality, seed=0, image=0).rgb.astype(int)
    assert np.abs(found - expected).mean() < 1.5


def test_blocks_keep_planes_and_lose_detail() -> None:
    """Two frequencies by two: a plane keeps its mean in every block exactly, noise inside a block goes."""
    rgb = np.random.default_rng(0).integers(60, 190, (96, 96, 3), np.uint8)
    found = corrupt(CORRUPTIONS["blocking"], rgb, 40, seed=0, image=0).rgb.astype(float)  # blocks of 8 pixels
    means = [array.reshape(12, 8, 12, 8, 3).mean(axis=(1, 3)) for array in (rgb.astype(float), found)]
    assert np.abs(means[0] - means[1]).max() < 0.6
    for block in (found[:8, :8, 0], found[40:48, 88:, 2]):
        spectrum = np.abs(np.array([[_cosine(block, u, v) for v in range(8)] for u in range(8)]))
        spectrum[:2, :2] = 0
        assert spectrum.max() < 3  # rounding to bytes
    assert (corrupt(CORRUPTIONS["blocking"], rgb[:90, :91], 40, seed=0, image=0).rgb.shape) == (90, 91, 3)


def _cosine(block: np.ndarray, u: int, v: int) -> float:
    """One coefficient of the 8 x 8 DCT by its definition."""
    total = 0.0
    for i in range(8):
        for j in range(8):
            total += block[i, j] * math.cos(math.pi * (2 * i + 1) * u / 16) * math.cos(math.pi * (2 * j + 1) * v / 16)
    return total * (math.sqrt(0.5) if u == 0 else 1) * (math.sqrt(0.5) if v == 0 else 1) / 4

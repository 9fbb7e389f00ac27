"""Codec artefacts against Pillow and the definition of the DCT."""

import io
import math
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from segpipe.ops.corruptions.digital import block, draw_lines, dust, recompress, scratch, stamp
from segpipe.records.corruption import CorruptedImage, Rgb

Corrupt = Callable[[Rgb, float, np.random.Generator], CorruptedImage]

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("quality", [50, 5])
def test_jpeg_is_that_of_pillow(photo: np.ndarray, quality: int) -> None:
    coded = io.BytesIO()
    Image.fromarray(photo).save(coded, "JPEG", quality=quality, subsampling="4:2:0")
    expected = np.asarray(Image.open(coded).convert("RGB")).astype(int)
    found = recompress(photo, quality, np.random.default_rng(0)).rgb.astype(int)
    assert np.abs(found - expected).mean() < 1.5


def test_blocks_keep_planes_and_lose_detail() -> None:
    """Two frequencies by two: a plane keeps its mean in every block exactly, noise inside a block goes."""
    rgb = np.random.default_rng(0).integers(60, 190, (96, 96, 3), np.uint8)
    found = block(rgb, 40, np.random.default_rng(0)).rgb.astype(float)  # blocks of 8 pixels
    means = [array.reshape(12, 8, 12, 8, 3).mean(axis=(1, 3)) for array in (rgb.astype(float), found)]
    assert np.abs(means[0] - means[1]).max() < 0.6
    for part in (found[:8, :8, 0], found[40:48, 88:, 2]):
        spectrum = np.abs(np.array([[_cosine(part, u, v) for v in range(8)] for u in range(8)]))
        spectrum[:2, :2] = 0
        assert spectrum.max() < 3  # rounding to bytes
    assert block(rgb[:90, :91], 40, np.random.default_rng(0)).rgb.shape == (90, 91, 3)


def _cosine(block: np.ndarray, u: int, v: int) -> float:
    """One coefficient of the 8 x 8 DCT by its definition."""
    total = 0.0
    for i in range(8):
        for j in range(8):
            total += block[i, j] * math.cos(math.pi * (2 * i + 1) * u / 16) * math.cos(math.pi * (2 * j + 1) * v / 16)
    return total * (math.sqrt(0.5) if u == 0 else 1) * (math.sqrt(0.5) if v == 0 else 1) / 4


GROUND = np.full((240, 320, 3), 128, np.uint8)


def opacity_of(draw: Corrupt, level: float, seed: int, shape: tuple[int, int] = (240, 320)) -> np.ndarray:
    """How much of a black and of a white ground is hidden by the same things, 0 to 1."""
    black, white = (
        draw(np.full((*shape, 3), ground, np.uint8), level, np.random.default_rng(seed)).rgb[..., 0].astype(float)
        for ground in (0, 255)
    )
    return 1 - (white - black) / 255


def test_a_line_crosses_the_image_and_is_as_thick_as_three_pixels_at_480() -> None:
    """OpenCV's soft rims make a line up to 2.5 pixels thicker, whatever its thickness."""
    for seed in range(5):
        for scale in (1, 3):
            opacity = opacity_of(draw_lines, 1, seed, (180 * scale, 240 * scale))
            rows, cols = np.nonzero(opacity > 0.5)
            ends = rows.min(), cols.min(), 180 * scale - 1 - rows.max(), 240 * scale - 1 - cols.max()
            assert ends.count(0) >= 2
            thick = opacity.sum() / math.hypot(np.ptp(rows) + 1, np.ptp(cols) + 1)
            assert 0 <= thick - round(1.5 * scale) < 3


def test_specks_are_as_many_and_as_large_as_they_say() -> None:
    """Radii from 0.8 to 4 pixels at 480, opacities from 0.47."""
    opacity = opacity_of(dust, 12, 1, (960, 960))
    labels, count = ndimage.label(opacity > 0.2)
    assert 10 <= count <= 12  # two may overlap
    areas = ndimage.sum_labels(opacity, labels, np.arange(1, count + 1))
    assert areas.min() > 0.4 * math.pi * 1.6**2 / 2
    assert areas.max() < math.pi * 9**2
    small = opacity_of(dust, 12, 1, (480, 480))
    assert opacity.sum() == pytest.approx(4 * small.sum(), rel=0.15)  # on twice the picture specks are twice as wide


def test_scratches_are_gray_and_thin() -> None:
    found = scratch(GROUND, 12, np.random.default_rng(0)).rgb
    assert (found == found[..., :1]).all()
    assert found.max() > 190  # bright ones
    assert found.min() < 70  # and dark ones
    opacity = opacity_of(scratch, 1, 0)
    rows, cols = np.nonzero(opacity > 0.2)
    length = math.hypot(np.ptp(rows), np.ptp(cols))
    assert 0.15 * 320 * 0.8 < length < 0.6 * 320
    assert opacity.sum() / length < 1.5  # 0.8 pixels at 480 are one here


def test_a_stamp_has_the_height_of_its_letters_and_grows_with_the_image() -> None:
    heights = []
    for scale in (1, 2):
        ground = GROUND.repeat(scale, 0).repeat(scale, 1)
        found = stamp(ground, 24, np.random.default_rng(0))
        assert found.touched is not None
        rows = np.flatnonzero(found.touched.any(1))
        heights.append(rows[-1] - rows[0] + 1)
        assert found.rgb.max() == 255  # white letters
        assert found.rgb[found.touched].min() < 20  # and a dark rim
    assert heights[0] == pytest.approx(24 * 320 / 480, rel=0.35)
    assert heights[1] == pytest.approx(2 * heights[0], rel=0.15)

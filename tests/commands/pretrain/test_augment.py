"""Pixels against torchvision's and Pillow's own functions, which the original used; ranges of what is drawn."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps
from torchvision.transforms.v2 import functional as tv

from segpipe.base.geometry import Box, Size
from segpipe.commands.pretrain import augment

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    rng = RNG(3)
    small = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    return np.asarray(small.resize((120, 90), Image.Resampling.BICUBIC))


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))


def array(x: torch.Tensor) -> np.ndarray:
    return x.permute(1, 2, 0).numpy()


def test_crops_cover_the_share_that_was_asked_for() -> None:
    size, rng = Size(90, 120), RNG(0)
    boxes = [augment.draw_crop(size, (0.05, 0.4), rng) for _ in range(500)]
    shares = np.array([box.height * box.width / (90 * 120) for box in boxes])
    ratios = np.array([box.width / box.height for box in boxes])
    assert shares.min() > 0.045
    assert shares.max() < 0.42
    assert abs(shares.mean() - 0.225) < 0.02
    assert ratios.min() > 0.7
    assert ratios.max() < 1.4
    assert abs(np.log(ratios).mean()) < 0.03
    assert max(box.bottom for box in boxes) <= 90
    assert max(box.right for box in boxes) <= 120


@pytest.mark.parametrize(
    ("size", "box"), [((4, 400), (0, 197, 4, 5)), ((400, 4), (197, 0, 5, 4)), ((1, 1), (0, 0, 1, 1))]
)
def test_the_middle_is_taken_where_no_draw_fits(size: tuple[int, int], box: tuple[int, ...]) -> None:
    found = augment.draw_crop(Size(*size), (1.0, 1.0), RNG(0))
    assert abs(found.top - box[0]) <= 1
    assert abs(found.left - box[1]) <= 1
    assert (found.height, found.width) == box[2:]


def test_a_cut_is_pillows_bicubic(rgb: np.ndarray) -> None:
    found = augment.cut(rgb, Box(10, 20, 60, 50), 32)
    part = Image.fromarray(rgb[10:70, 20:70]).resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(found, np.asarray(part, np.float32) / 255)


def test_colors_change_as_torchvisions_do(rgb: np.ndarray) -> None:
    x = rgb.astype(np.float32) / 255
    np.testing.assert_allclose(
        augment._blend(x, np.float32(0), 1.3), array(tv.adjust_brightness(tensor(x), 1.3)), atol=1e-5
    )
    mean = np.float32(augment.gray(x).mean())
    np.testing.assert_allclose(augment._blend(x, mean, 0.7), array(tv.adjust_contrast(tensor(x), 0.7)), atol=1e-3)
    gray = augment.gray(x)[..., None]
    np.testing.assert_allclose(augment._blend(x, gray, 1.2), array(tv.adjust_saturation(tensor(x), 1.2)), atol=1e-3)
    for turn in (-0.1, 0.07):
        np.testing.assert_allclose(augment.turn_hue(x, turn), array(tv.adjust_hue(tensor(x), turn)), atol=2e-3)


def test_jitter_stays_in_its_ranges_and_in_the_picture(rgb: np.ndarray) -> None:
    x = rgb.astype(np.float32) / 255
    made = [augment.jitter(x, RNG(seed)) for seed in range(20)]
    assert all(each.dtype == np.float32 and each.min() >= 0 and each.max() <= 1 for each in made)
    means = [each.mean() / x.mean() for each in made]
    assert min(means) > 0.55
    assert max(means) < 1.45
    assert len({round(float(each), 4) for each in means}) == 20
    np.testing.assert_array_equal(made[0], augment.jitter(x, RNG(0)))


def test_solarized_and_gray_as_pillows(rgb: np.ndarray) -> None:
    found = augment.solarize(rgb.astype(np.float32) / 255)
    np.testing.assert_allclose(found * 255, np.asarray(ImageOps.solarize(Image.fromarray(rgb))), atol=1e-3)
    gray = augment.colorless(rgb.astype(np.float32) / 255)
    np.testing.assert_allclose(gray[..., 0] * 255, np.asarray(Image.fromarray(rgb).convert("L")), atol=1.0)
    np.testing.assert_array_equal(gray[..., 0], gray[..., 2])


def test_blur_is_near_pillows(rgb: np.ndarray) -> None:
    """Pillow's Gaussian is three box filters: near, not the same."""
    found = augment.blur(rgb.astype(np.float32) / 255, RNG(5))
    sigma = RNG(5).uniform(0.1, 2.0)
    wanted = np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(sigma)), np.float32)
    assert np.abs(found * 255 - wanted)[4:-4, 4:-4].mean() < 1.0


def test_what_is_off_by_default_does_what_its_name_says() -> None:
    x = RNG(1).random((48, 48, 3), np.float32)
    moved = augment.move(x, RNG(0))
    assert moved.shape == x.shape
    assert not np.array_equal(moved, x)
    noisy = augment.add_noise(x, RNG(0))
    assert 0 < np.abs(noisy - x).mean() < 0.1
    erased = augment.erase(x, RNG(0))
    share = (erased != x).any(axis=2).mean()
    assert 0.015 < share < 0.4

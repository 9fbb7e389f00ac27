"""What the drawn reefs are made of."""

import numpy as np
import pytest

from segpipe.ops.drawing.shapes import filled, noise, ragged, rounded, slope, winding


@pytest.mark.parametrize(("h", "w", "cell"), [(120, 160, 20.0), (1, 50, 8.0), (64, 64, 500.0)])
def test_noise_has_the_size_asked_for_and_is_its_seed(h: int, w: int, cell: float) -> None:
    made, again = (noise(np.random.default_rng(1), h, w, cell, 3) for _ in range(2))
    assert (made.shape, made.dtype) == ((h, w), np.float32)
    np.testing.assert_array_equal(made, again)


def test_noise_varies_by_about_one() -> None:
    assert 0.7 < noise(np.random.default_rng(0), 400, 400, 20, 4).std() < 1.4


def test_a_smooth_outline_is_a_circle_and_is_filled() -> None:
    angle, radius = ragged(np.random.default_rng(0), 0.0)
    np.testing.assert_array_equal(radius, np.ones(72))
    outline = 20 * np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1) + (30, 25)
    mask = filled(outline, 50, 60)
    assert mask.shape == (50, 60)
    assert abs(mask.sum() - np.pi * 20**2) < 70
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 45, 10, 50)


def test_winding_has_as_many_ridges_as_valleys() -> None:
    made = winding(np.random.default_rng(0), 100, 100, 2.0)
    assert np.abs(made).max() <= 1
    assert abs(made.mean()) < 0.05


def test_light_comes_from_above_left() -> None:
    down, level = np.repeat(np.arange(9, dtype=np.float32)[:, None], 9, 1), np.zeros((9, 9), np.float32)
    assert (slope(down, 0.1)[1:-1] > 0).all()
    assert not slope(level, 0.1).any()
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    light = rounded(mask, 40)
    assert light[12:16, 20:40].mean() > light[44:48, 20:40].mean()

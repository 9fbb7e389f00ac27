"""Colors of one date brought to another."""

import numpy as np

from segpipe.ops.change.color_shift import (
    ColorStatistics,
    color_table,
    joint_histogram,
    matched_table,
    recolored,
)


def test_an_exposure_is_taken_back() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(60, 200, (40, 50, 3)).astype(np.uint8)
    second = np.clip(first * np.array([0.7, 0.8, 0.9]) + np.array([20, 5, 0]), 0, 255).astype(np.uint8)
    table = color_table(ColorStatistics.of(second.reshape(-1, 3)), ColorStatistics.of(first.reshape(-1, 3)))
    assert np.abs(recolored(second, table).astype(int) - first).max() <= 2
    assert (np.diff(table.astype(int), axis=0) >= 0).all()


def test_a_channel_without_contrast_is_moved_alone() -> None:
    flat, other = ColorStatistics.of(np.full((9, 3), 100)), ColorStatistics.of(np.array([[90, 80, 10], [110, 90, 30]]))
    table = color_table(flat, other)
    assert table[100].tolist() == [100, 85, 20]
    assert table[110].tolist() == [110, 95, 30]


def test_what_colors_have_become_is_found_although_some_changed() -> None:
    """A curve that clips, and a quarter of the places that show something else."""
    rng = np.random.default_rng(1)
    first = rng.integers(0, 256, (40_000, 3)).astype(np.uint8)
    curve = np.clip(255 * (np.arange(256)[:, None] / 255) ** np.array([0.6, 1.0, 1.8]) * 1.3, 0, 255).astype(np.uint8)
    second = recolored(first[None], curve)[0]
    second[rng.random(len(second)) < 0.25] = (200, 30, 90)
    histogram = joint_histogram(first, second)
    assert histogram.sum(axis=(1, 2)).tolist() == [len(first)] * 3
    assert histogram[1, first[0, 1]].sum() == (first[:, 1] == first[0, 1]).sum()
    away = np.abs(matched_table(histogram).astype(int) - curve)
    assert away.max() <= 12
    assert np.percentile(away, 95) <= 2


def test_values_that_are_seldom_are_interpolated_and_order_is_kept() -> None:
    first = np.repeat(np.array([[10], [20], [30]], np.uint8), 3, axis=1).repeat(100, axis=0)
    second = np.repeat(np.array([[50], [40], [90]], np.uint8), 3, axis=1).repeat(100, axis=0)
    table = matched_table(joint_histogram(first, second))
    assert (np.diff(table[:, 0].astype(int)) >= 0).all()
    assert table[[10, 15, 20, 25, 30], 0].tolist() == [50, 50, 50, 70, 90]  # medians of neighbors
    slope = np.polyfit([10, 20, 30], [50, 50, 90], 1)[0]  # beyond what is there
    np.testing.assert_allclose(table[[0, 35, 255], 0], [50 - 10 * slope, 90 + 5 * slope, 255], atol=0.5)
    np.testing.assert_array_equal(matched_table(np.zeros((3, 256, 256), np.int64))[:, 0], np.arange(256))


def test_of_values_that_do_not_belong_together_mean_and_contrast_are_matched() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(120, 20, (2, 30_000, 3)).clip(0, 255).astype(np.uint8)
    second = (second * 0.7 + 5).astype(np.uint8)
    wanted = color_table(ColorStatistics.of(first), ColorStatistics.of(second))
    np.testing.assert_allclose(matched_table(joint_histogram(first, second)).astype(int), wanted, atol=1)

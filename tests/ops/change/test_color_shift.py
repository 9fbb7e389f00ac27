"""Colors of one date brought to another."""

import numpy as np

from segpipe.ops.change.color_shift import ColorStatistics, color_table, recolored


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

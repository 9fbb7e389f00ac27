"""Resamples and intervals against statements of their own."""

import numpy as np
from scipy import stats

from segpipe.ops.metrics.bootstrap import resample


def test_the_draws_do_not_depend_on_blocks() -> None:
    whole = np.concatenate(list(resample(5, draws=40, seed=3)))
    blocks = list(resample(5, draws=40, seed=3, width=1 << 17))
    assert len(blocks) > 1
    np.testing.assert_array_equal(whole, np.concatenate(blocks))


def test_every_item_comes_as_often_as_chance_has_it() -> None:
    times = np.concatenate(list(resample(8, draws=20_000, seed=0)))
    assert times.shape == (20_000, 8)
    assert (times.sum(axis=1) == 8).all()
    counts = np.bincount(times[:, 0].astype(int), minlength=9)[:6]
    expected = 20_000 * stats.binom.pmf(np.arange(6), 8, 1 / 8)
    np.testing.assert_allclose(counts, expected, atol=6 * np.sqrt(expected.max()))

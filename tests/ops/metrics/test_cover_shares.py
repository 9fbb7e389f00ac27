"""Shares of classes and their ends."""

import numpy as np
import pytest
from scipy import stats

from segpipe.ops.metrics.cover_shares import parts, parts_without_each, share_ends, shares_where_held
from segpipe.ops.metrics.skewed_interval import jackknife_skewness, one_sample

AMOUNTS = np.array([[3.0, 1, 0, 0]] * 3 + [[2.0, 6, 0, 0]] * 4)


def test_parts() -> None:
    np.testing.assert_array_equal(parts(np.array([[1.0, 3], [0, 0]])), [[0.25, 0.75], [np.nan, np.nan]])
    np.testing.assert_allclose(parts_without_each(AMOUNTS)[0, :2], np.array([14, 26]) / 40)
    np.testing.assert_array_equal(shares_where_held(np.array([[1.0, 1, 0], [0, 2, 0]])), [0.5, 0.75, np.nan])


def test_ends_are_those_of_one_sample_and_of_how_many_may_hold_what_none_does() -> None:
    drawn = np.random.default_rng(0).dirichlet([4, 4, 1, 1], 300)
    low, high = share_ends(drawn, AMOUNTS, np.array([0.4, 0.6, 0.2, np.nan]))
    skew = jackknife_skewness(parts_without_each(AMOUNTS))
    wanted = one_sample(drawn, parts(AMOUNTS.sum(axis=0)), 7, ends=(0, 1), skew=skew)
    np.testing.assert_array_equal([low[:2], high[:2]], np.array(wanted)[:, :2])
    assert high[2] == pytest.approx(0.2 * stats.binomtest(0, 7).proportion_ci(0.95, "exact").high)
    assert np.isnan([low[3], high[3]]).all()
    np.testing.assert_array_equal(share_ends(drawn, AMOUNTS), wanted)

"""Differences of cover: intervals hold the truth, and where nothing changed nothing is said to have."""

import numpy as np
import numpy.typing as npt
import pytest

from segpipe.ops.change.cover_difference import CoverDifference, independent_difference, judge, paired_difference

BASE = np.array([0.30, 0.20, 0.25, 0.15, 0.10])
BLEACHED = BASE + np.array([-0.03, 0, 0, 0.03, 0])
REPEATS = 100


def photographs(rng: np.random.Generator, shares: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """Pixels (count, classes) of photographs of a place: each shows its own part of it."""
    return np.array([rng.multinomial(5000, rng.dirichlet(8 * shares)) for _ in range(count)], np.float64)


def plots(rng: np.random.Generator, count: int, bleached: float) -> tuple[npt.NDArray[np.float64], ...]:
    """The same plots twice: what the map says of each varies by itself."""
    own = rng.dirichlet(8 * BASE, size=count)
    after = own.copy()
    after[:, 3] += bleached * own[:, 0]
    after[:, 0] -= bleached * own[:, 0]
    first, second = (
        np.array([rng.multinomial(3000, rng.dirichlet(300 * row + 1e-3)) for row in rows], np.float64)
        for rows in (own, after)
    )
    return first, second


def test_intervals_hold_the_true_change_and_false_alarms_are_few() -> None:
    rng, held, alarms = np.random.default_rng(1), np.zeros(5), 0
    for seed in range(REPEATS):
        first = photographs(rng, BASE, 24)
        found = independent_difference(first, photographs(rng, BLEACHED, 24), draws=400, seed=seed)
        held += (found.low <= BLEACHED - BASE) & (found.high >= BLEACHED - BASE)
        alarms += independent_difference(first, photographs(rng, BASE, 24), draws=400, seed=seed).sure.any()
    assert held.mean() >= 93, held
    assert alarms <= 5, alarms


def test_plots_seen_twice_tell_a_tenth_of_the_coral_bleached() -> None:
    rng, held, alarms, seen, width = np.random.default_rng(2), 0, 0, 0, []
    for seed in range(REPEATS):
        found = paired_difference(*plots(rng, 24, 0.10), draws=400, seed=seed)
        held += bool(found.low[0] <= -0.03 <= found.high[0]) + bool(found.low[3] <= 0.03 <= found.high[3])
        seen += bool(found.sure[0])
        width.append(found.high[0] - found.low[0])
        alarms += paired_difference(*plots(rng, 24, 0.0), draws=400, seed=seed).sure.any()
    assert held >= 2 * 93, held
    assert alarms <= 5, alarms
    assert seen > 30, seen  # and pairs tell more than two samples of as many photographs
    one, other = plots(rng, 24, 0.1)
    apart = independent_difference(one, other, draws=400, seed=0)
    assert np.median(width) < 0.7 * (apart.high[0] - apart.low[0])


def test_a_class_that_few_plots_hold_and_a_skewed_one_are_held_too() -> None:
    """A class is new in some of the plots; percentiles of the draws held it in 84 of 100."""
    rng, held = np.random.default_rng(3), 0
    for seed in range(200):
        first = rng.dirichlet(8 * BASE, size=20) * 5000
        died = np.where(rng.random(20) < 0.4, rng.beta(1, 1, 20), 0) * first[:, 0]
        both = np.zeros((2, 20, 6))
        both[:, :, :5] = first
        both[1, :, 0] -= died
        both[1, :, 5] = died
        found = paired_difference(both[0], both[1], draws=300, seed=seed)
        held += bool(found.low[5] <= 0.4 * 0.5 * BASE[0] <= found.high[5])
    assert held >= 2 * 91, held


def test_a_class_that_is_new_and_rare_is_held_in_few_photographs() -> None:
    """None hold it at the first date, and three of ten at the second, varying amounts."""
    rng, held, given = np.random.default_rng(6), 0, 0
    amounts = np.random.default_rng(7).exponential(0.02, 100_000) * (np.random.default_rng(8).random(100_000) < 0.3)
    truth = float(amounts.mean())
    for seed in range(200):
        first, second = (np.c_[rng.dirichlet(8 * BASE, size=6), np.zeros(6)] for _ in range(2))
        second[:, 5] = rng.choice(amounts, 6)
        second[:, 0] *= 1 - second[:, 5]
        second /= second.sum(axis=1, keepdims=True)
        found = independent_difference(first, second, draws=300, seed=seed)
        given += bool(np.isfinite(found.low[5]))
        held += bool(found.low[5] <= truth <= found.high[5])
        assert not found.sure[5] or found.holding[5] > 3
    assert held >= 0.93 * given, (held, given)


def test_shares_and_units() -> None:
    first, second = np.array([[3.0, 1], [1, 3], [0, 0]]), np.array([[1.0, 3], [0, 4], [5, 5]])
    found = paired_difference(first, second, draws=200, seed=0)
    assert found.units == (2, 2)  # a unit that is empty at one date takes no part
    assert found.holding.tolist() == [2, 2]
    np.testing.assert_allclose([found.first, found.second], [[0.5, 0.5], [0.125, 0.875]])
    np.testing.assert_allclose(found.difference, [-0.375, 0.375])
    apart = independent_difference(first, second, draws=200, seed=0)
    assert apart.units == (2, 3)


@pytest.mark.parametrize("count", [0, 1])
def test_of_one_unit_nothing_is_known(count: int) -> None:
    rows = np.full((count, 3), 2.0)
    for found in (
        paired_difference(rows, rows, draws=100, seed=0),
        independent_difference(rows, rows, draws=100, seed=0),
    ):
        assert isinstance(found, CoverDifference)
        assert np.isnan(found.low).all()
        assert np.isnan(found.high).all()
        assert not found.sure.any()


def test_a_class_that_never_varies_is_sure_of_nothing() -> None:
    rows = np.array([[1.0, 1, 0]] * 5)
    found = paired_difference(rows, rows, draws=100, seed=0)
    np.testing.assert_array_equal([found.low, found.high], [[0, 0, np.nan]] * 2)  # none holds the third
    assert not found.sure.any()


def test_what_may_be_said() -> None:
    low, high = np.array([-0.1, 0.02, -0.3, 0.02, np.nan, -0.4]), np.array([0.1, 0.06, -0.1, 0.06, np.nan, -0.3])
    limit, second = np.array([0.15, 0.03, 0.15, 0.05, np.inf, 0.07]), np.array([0.5, 0.54, 0.3, 0.54, 0.5, 0.15])
    found = CoverDifference(np.full(6, 0.5), second, low, high, limit, (9, 9), np.full(6, 9))
    assert found.sure.tolist() == [False, True, True, False, False, True]
    plain = ["within noise", "more", "less", "may be chance", "no interval"]
    assert judge(found) == [*plain, "less"]
    least, most = np.array([0, 0, 0, -0.5, 0, -0.32]), np.array([0.5, 0, 0.2, 0.5, 0.9, 0])
    assert judge(found, (least, most)) == [*plain, "may be light"]
    # -0.35 less -0.29 is outside of its own interval, and within that of all classes together
    assert judge(found, (np.where(least < -0.3, -0.29, least), most))[5] == "may be light"
    assert judge(found, (np.where(least < -0.3, -0.27, least), most))[5] == "less"


def test_what_no_image_of_either_date_holds_has_no_interval() -> None:
    rng = np.random.default_rng(5)
    first, second = (np.c_[photographs(rng, BASE, 12), np.zeros(12)] for _ in range(2))
    for found in (
        independent_difference(first, second, draws=100, seed=0),
        paired_difference(first, second, draws=100, seed=0),
    ):
        assert np.isnan([found.low[5], found.high[5]]).all()
        assert np.isfinite([found.low[:5], found.high[:5]]).all()
        assert judge(found)[5] == "no interval"

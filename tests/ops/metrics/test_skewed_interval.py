"""Intervals of few samples against exact ones, another library, and populations whose mean is known."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from segpipe.ops.metrics.bootstrap import Interval, resample
from segpipe.ops.metrics.skewed_interval import (
    difference_ends,
    jackknife_skewness,
    one_sample,
    outer_interval,
    unseen_end,
    with_seldom,
)

EVERYWHERE = (-np.inf, np.inf)

Float64 = npt.NDArray[np.float64]


def draws_of(values: Float64, draws: int, seed: int) -> Float64:
    """Means (draws, k) of values (n, k) drawn again."""
    return np.concatenate([times @ values / len(values) for times in resample(len(values), draws=draws, seed=seed)])


def of_mean(values: Float64, draws: int = 400, seed: int = 0) -> Interval:
    return one_sample(draws_of(values, draws, seed), values.mean(axis=0), len(values), ends=EVERYWHERE)


def held(draw: Callable[[np.random.Generator], Float64], mean: float, count: int) -> tuple[float, float]:
    """Of 4,000 samples of `count` the share whose interval holds the mean, and that of plain percentiles."""
    rng, own, plain = np.random.default_rng(count), [], []
    for seed in range(20):
        values = np.stack([draw(rng) for _ in range(count)])  # (count, 200): as many samples side by side
        drawn = draws_of(values, 400, seed)
        low, high = one_sample(drawn, values.mean(axis=0), count, ends=EVERYWHERE)
        own.append((low <= mean) & (mean <= high))
        low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
        plain.append((low <= mean) & (mean <= high))
    return float(np.mean(own)), float(np.mean(plain))


@pytest.mark.parametrize("count", [3, 5, 12, 40])
def test_of_a_normal_population_it_is_students(count: int) -> None:
    """The exact interval is known: the mean and Student's t."""
    values = np.random.default_rng(count).normal(2, 3, (count, 1))
    values = np.concatenate([values, 4 - values])  # even, so that no skewness is to be corrected
    low, high = of_mean(values, draws=20_000)
    exact = stats.ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    width = exact.high - exact.low
    assert low[0] == pytest.approx(exact.low, abs=0.03 * width)
    assert high[0] == pytest.approx(exact.high, abs=0.03 * width)


@pytest.mark.parametrize("count", [3, 5, 10, 20])
def test_it_holds_the_mean_of_normal_populations_as_often_as_it_says(count: int) -> None:
    own, plain = held(lambda rng: rng.normal(size=200), 0.0, count)
    assert 0.94 <= own <= 0.98
    assert plain < own - (0.05 if count < 10 else 0.005)


@pytest.mark.parametrize(
    ("count", "least", "percentiles"), [(5, 0.90, 0.80), (10, 0.92, 0.86), (20, 0.93, 0.91), (40, 0.94, 0.93)]
)
def test_it_holds_the_mean_of_a_skewed_population(count: int, least: float, percentiles: float) -> None:
    """Exponential: skewness 2. Percentiles of draws miss it twice to four times as often as they say."""
    own, plain = held(lambda rng: rng.exponential(size=200), 1.0, count)
    assert own >= least
    assert plain < percentiles


def test_of_many_it_is_what_bca_of_another_library_is() -> None:
    values = np.random.default_rng(0).exponential(size=(300, 1))
    low, high = of_mean(values, draws=20_000)
    other = stats.bootstrap(
        (values[:, 0],), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    width = other.high - other.low
    assert low[0] == pytest.approx(other.low, abs=0.05 * width)
    assert high[0] == pytest.approx(other.high, abs=0.05 * width)


def test_it_reaches_further_on_the_long_side() -> None:
    values = np.append(np.zeros(15), [1.0, 2.0, 9.0])[:, None]
    low, high = of_mean(values)
    found = values.mean()
    assert high[0] - found > 1.5 * (found - low[0])
    mirrored = of_mean(-values)
    np.testing.assert_allclose([-mirrored[1], -mirrored[0]], [low, high])


@pytest.mark.parametrize("count", [3, 9])
def test_the_long_end_is_halls_transformation_with_the_unbiased_skewness(count: int) -> None:
    values = np.random.default_rng(count).exponential(size=(count, 1))
    skew = stats.skew(values[:, 0], bias=False) / np.sqrt(count)
    left_out = (values.sum() - values) / (count - 1)
    np.testing.assert_allclose(jackknife_skewness(left_out), [skew])
    draws = draws_of(values, 200_000, 0)
    error = values.std(ddof=1) / np.sqrt(count)
    even = -stats.t.ppf(0.975, count - 1)
    # of t + skew t^2 / 3 + skew^2 t^3 / 27 + skew / 6 = ((1 + skew t / 3)^3 - 1) / skew + skew / 6
    wanted = values.mean() - error * 3 / skew * (np.cbrt(1 + skew * (even - skew / 6)) - 1)
    _, high = one_sample(draws, values.mean(axis=0), count, ends=EVERYWHERE, skew=np.array([skew]))
    assert high[0] == pytest.approx(wanted, rel=0.02)
    assert jackknife_skewness(np.ones((4, 2))).tolist() == [0, 0]


@pytest.mark.parametrize("count", [2, 7, 40])
def test_how_many_hold_what_none_holds_is_the_exact_binomial_interval(count: int) -> None:
    assert unseen_end(count) == pytest.approx(stats.binomtest(0, count).proportion_ci(0.95, "exact").high)


def test_ends_and_what_does_not_vary() -> None:
    draws = np.stack(
        [np.linspace(0.08, 0.12, 101), np.full(101, 0.3), np.r_[np.nan, np.linspace(0.4, 0.6, 100)]], axis=1
    )
    low, high = outer_interval(draws, np.array([0.1, 0.3, 0.5]), freedom=1, factor=np.sqrt(2), ends=(0, 1))
    assert (low[0], low[1], high[1]) == (0, 0.3, 0.3)
    assert high[0] == pytest.approx(0.1 + stats.t.ppf(0.975, 1) * np.sqrt(2) * draws[:, 0].std())
    assert np.isfinite([low[2], high[2]]).all()


@pytest.mark.parametrize(("count", "held"), [(6, 1), (6, 4), (50, 3)])
def test_what_few_hold_reaches_to_the_exact_ends_of_how_many_and_how_much(count: int, held: int) -> None:
    amounts = np.zeros((count, 1))
    amounts[:held] = 0.01
    found = amounts.mean(axis=0)
    low, high = with_seldom((found, found), found, amounts)
    many = stats.binomtest(held, count).proportion_ci(0.95, "exact")
    much = stats.gamma(held, scale=1 / held).ppf([0.975, 0.025])  # of a mean of exponential amounts
    for end, share, mean, sign in ((low, many.low, much[0], -1), (high, many.high, much[1], 1)):
        wanted = np.exp(sign * np.hypot(np.log(share / (held / count)), np.log(mean)))
        assert end[0] == pytest.approx(min(1, found[0] * wanted))
    less = with_seldom((-found, -found), -found, amounts)
    np.testing.assert_allclose([-less[1], -less[0]], [low, high])


def test_what_many_hold_or_none_keeps_its_ends() -> None:
    amounts = np.array([[1.0, 1, 0]] * 5 + [[1.0, 0, 0]])
    ends = np.full(3, 0.1), np.full(3, 0.6)
    np.testing.assert_array_equal(with_seldom(ends, amounts.mean(axis=0), amounts), ends)
    three = np.ones((3, 1))  # all that there are
    np.testing.assert_array_equal(with_seldom((np.ones(1), np.ones(1)), np.ones(1), three), np.ones((2, 1)))


def test_it_holds_what_a_third_of_few_samples_hold() -> None:
    """Six samples, of which each holds an exponential amount with a probability of 0.3."""
    rng, wide, narrow = np.random.default_rng(0), [], []
    for seed in range(20):
        values = np.where(rng.random((6, 200)) < 0.3, rng.exponential(size=(6, 200)) * 0.01, 0.0)
        seen = values.any(axis=0)
        found = values.mean(axis=0)
        plain = one_sample(draws_of(values, 400, seed), found, 6, ends=(0, 1))
        moved = with_seldom(plain, found, values)
        for ends, held in ((moved, wide), (plain, narrow)):
            held.append(((ends[0] <= 0.003) & (ends[1] >= 0.003))[seen])
    assert np.concatenate(wide).mean() > 0.95
    assert np.concatenate(narrow).mean() < 0.93


def test_the_ends_of_a_difference_are_newcombes() -> None:
    """Newcombe (1998, Statistics in Medicine 17, 873-890), table II, method 10."""
    for (more, of), (less, out_of), wanted in (
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
    ):
        shares = np.array([less / out_of]), np.array([more / of])
        ends = [stats.binomtest(*each).proportion_ci(0.95, "wilson") for each in ((less, out_of), (more, of))]
        both = [(np.array([each.low]), np.array([each.high])) for each in ends]
        low, high = difference_ends(*shares, (both[0], both[1]))
        assert (low[0], high[0]) == pytest.approx(wanted, abs=5e-5)

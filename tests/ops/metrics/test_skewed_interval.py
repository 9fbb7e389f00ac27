"""Intervals of few samples against exact ones, another library, and populations whose mean is known."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from segpipe.ops.metrics.bootstrap import Interval, interval, resample
from segpipe.ops.metrics.skewed_interval import jackknife_skewness, one_sample, outer_interval, unseen_end

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
        low, high = interval(drawn)
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

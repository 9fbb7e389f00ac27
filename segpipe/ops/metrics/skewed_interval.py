"""95% intervals from few samples of skewed populations: Student's t, and the same without its skewness (Hall, 1992).

Percentiles of samples drawn again miss the truth too often where samples are few: with n of them their spread is too
small by sqrt((n - 1) / n), they end like a normal distribution and not like Student's t, and of a skewed population,
such as a class that few images show, they are too short on the long side (Hesterberg, 2015, The American Statistician
69, 371-386). Student's t mends the first two. For the third, Hall (1992, Journal of the Royal Statistical Society B 54,
221-228) transforms t so that it is not skewed. The interval is the outer one of both, because with few samples the
skewness itself is hardly known. Both need the error and the skewness of the estimate, which draws give of any estimate.
Where the skewness is large the transformation is steep, so that other draws would make another interval: the jackknife,
estimates with one sample left out each, gives a skewness without chance (Efron, 1987, Journal of the American
Statistical Association 82, 171-185). Of n samples it is too small by (n - 2) / sqrt(n (n - 1)) (Joanes and Gill, 1998,
The Statistician 47, 183-189).

What none of the samples holds does not vary in any draw, and what a few hold varies as those few do. How many would
hold it is bounded by the exact binomial interval (Clopper and Pearson, 1934, Biometrika 26).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from segpipe.ops.metrics.bootstrap import Interval
from segpipe.ops.metrics.doubt import seldom_held

Float64 = npt.NDArray[np.float64]

_OUTER = 0.025
_NOTHING = 1e-12
"""A standard error below which nothing varies."""
_EVEN = 1e-4  # skewness below which it corrects nothing that a draw more would not


def outer_interval(
    draws: Float64,
    found: Float64,
    *,
    freedom: Float64 | float,
    factor: Float64 | float,
    ends: tuple[float, float],
    skew: Float64 | None = None,
) -> Interval:
    """The 95% interval of estimates.

    Args:
        draws: (draws, k) the estimates of samples drawn again; draws that hold NaN in a place are left out of it.
        found: (k,) the estimates of the sample itself.
        freedom: (k,) degrees of freedom of their standard error: n - 1 of one sample of n, Welch's of two.
        factor: (k,) by which the draws' standard deviation is too small: sqrt(n / (n - 1)) of one sample.
        ends: the least and the most that an estimate can be.
        skew: (k,) of the estimates, as of `jackknife_skewness`; None: that of the draws.

    Returns:
        (k,) low and (k,) high; where nothing varies both are the estimate.
    """
    middle = np.nanmean(draws, axis=0)
    spread = np.nanstd(draws, axis=0)
    varies = spread > _NOTHING
    if skew is None:
        skew = np.nanmean((draws - middle) ** 3, axis=0) / np.where(varies, spread, 1.0) ** 3
    error = np.where(varies, spread * factor, 0.0)
    reach = np.asarray(special.stdtrit(np.maximum(freedom, 1), 1 - _OUTER), np.float64)
    low = found - error * np.maximum(reach, _untransformed(reach, skew))
    high = found - error * np.minimum(-reach, _untransformed(-reach, skew))
    return np.clip(low, *ends), np.clip(high, *ends)


def one_sample(
    draws: Float64, found: Float64, count: int, *, ends: tuple[float, float], skew: Float64 | None = None
) -> Interval:
    """As `outer_interval`, of one sample of `count`, two at least."""
    factor = float(np.sqrt(count / (count - 1)))
    return outer_interval(draws, found, freedom=count - 1, factor=factor, ends=ends, skew=skew)


def jackknife_skewness(without: Float64) -> Float64:
    """The skewness (k,) of estimates of samples, from those with each of the samples left out (samples, k).

    NaN, where nothing is left, takes no part.
    """
    away = np.nan_to_num(np.nanmean(without, axis=0) - without)
    spread = np.sqrt((away**2).mean(axis=0))
    third = (away**3).mean(axis=0) / np.where(spread > _NOTHING, spread, 1.0) ** 3
    return np.asarray(np.where(spread > _NOTHING, third, 0.0) / np.sqrt(len(away)) * _unbiased(len(away)))


def unseen_end(count: int) -> float:
    """The upper end of the 95% interval of the share of samples that hold what none of `count` does.

    >>> round(unseen_end(5), 2), round(unseen_end(40), 2)
    (0.52, 0.09)
    """
    return float(1 - _OUTER ** (1 / count))


def with_seldom(ends: Interval, found: Float64, amounts: Float64) -> Interval:
    """Ends of shares, moved out where fewer than `doubt.SELDOM` samples hold something.

    A share is the part of the samples that hold something, times how much those hold. Of the first the ends are those
    of Clopper and Pearson; of the second those of a mean of amounts that vary like an exponential distribution, which
    are chi-squared (2 k degrees of freedom, of k samples). As ratios of what was found both are joined as if they were
    errors at right angles, on a logarithmic scale.

    Args:
        ends: (k,) low and high.
        found: (k,) shares, or differences of shares.
        amounts: (samples, k) of which these are shares.
    """
    count, held = len(amounts), (amounts > 0).sum(axis=0)
    seldom = seldom_held(amounts)
    some = np.where(seldom, held, 1)
    least = special.betaincinv(some, count - some + 1, _OUTER) * count / some, some / special.gammainccinv(some, _OUTER)
    most = (
        special.betaincinv(some + 1, np.maximum(count - some, 1), 1 - _OUTER) * count / some,
        some / special.gammaincinv(some, _OUTER),
    )
    low, high = ends
    by = np.exp(-np.hypot(*np.log(least))), np.exp(np.hypot(*np.log(most)))
    moved = np.clip([found * ratio for ratio in by], -1.0, 1.0)
    low = np.where(seldom, np.minimum(low, moved.min(axis=0)), low)
    return low, np.where(seldom, np.maximum(high, moved.max(axis=0)), high)


def difference_ends(first: Float64, second: Float64, ends: tuple[Interval, Interval]) -> Interval:
    """Ends of second - first from those of each, of samples that have nothing to do with each other.

    Both are joined as if they were errors at right angles (MOVER: Zou and Donner, 2008, Statistics in Medicine 27,
    1693-1702, equation 3; of proportions with Wilson's intervals that is Newcombe's tenth method, 1998).

    Args:
        first: (k,) estimates.
        second: (k,)
        ends: (k,) low and high of the first, and of the second.
    """
    (low_a, high_a), (low_b, high_b) = ends
    found = second - first
    return found - np.hypot(second - low_b, high_a - first), found + np.hypot(high_b - second, first - low_a)


def _unbiased(count: int) -> float:
    """By which the skewness of so many samples is too small; two have none."""
    return float(np.sqrt(count * (count - 1)) / (count - 2)) if count > 2 else 1.0


def _untransformed(even: Float64, skew: Float64) -> Float64:
    """Which t Hall's transformation t + s t^2 / 3 + s^2 t^3 / 27 + s / 6 makes these even values of; s is the skew."""
    safe = np.where(np.abs(skew) < _EVEN, _EVEN, skew)
    root = np.cbrt(1 + safe * (even - safe / 6))
    return np.where(np.abs(skew) < _EVEN, even, 3 * (root - 1) / safe)

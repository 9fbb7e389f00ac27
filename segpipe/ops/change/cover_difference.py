"""Difference of cover between two dates, and how sure it is.

What was sampled are images, sites or blocks of ground: these are drawn again with replacement (Efron, 1979), those that
both dates share together. Their error, and the skewness when units are left out one by one, give the interval: see
`ops.metrics.skewed_interval`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from segpipe.ops.metrics.bootstrap import Interval, resample
from segpipe.ops.metrics.cover_shares import parts, parts_without_each, share_ends, shares_where_held
from segpipe.ops.metrics.doubt import seldom_held
from segpipe.ops.metrics.skewed_interval import (
    difference_ends,
    jackknife_skewness,
    outer_interval,
    with_seldom,
)

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]

_TOGETHER = 0.98
"""How sure a change must be for all classes together: with few units false alarms stay below 5 in 100 then."""
_NOTHING = 1e-12  # a standard error below which a class did not vary at all


@dataclass(frozen=True, slots=True)
class CoverDifference:
    """Shares (classes,) of two dates, and their difference; NaN where nothing has a class."""

    first: Float64
    second: Float64
    low: Float64
    """Lower end of the 95% interval of second - first; NaN where there is none."""
    high: Float64
    limit: Float64
    """(classes,) how far from what it is to differ from the difference lies, where all classes are looked at together,
    at 98%; infinite where it does not vary."""
    units: tuple[int, int]
    """What was drawn again, of each date."""
    holding: Int64
    """(classes,) how many of them hold the class, at the date at which more do."""

    @property
    def difference(self) -> Float64:
        """Second minus first."""
        return self.second - self.first

    @property
    def sure(self) -> Bools:
        """(classes,) whether the difference is not 0, by its own interval and by that of all classes together."""
        with np.errstate(invalid="ignore"):
            return ((self.low > 0) | (self.high < 0)) & (np.abs(self.difference) > self.limit)


@dataclass(frozen=True, slots=True)
class _Spread:
    """How the difference varies over samples drawn again."""

    draws: Float64
    """(draws, classes)"""
    freedom: Float64
    """(classes,) degrees of freedom of its standard error."""
    factor: Float64
    """(classes,) by which the draws' standard deviation is too small."""
    skew: Float64
    """(classes,) skewness of the difference."""


def paired_difference(first: Float64, second: Float64, *, draws: int, seed: int) -> CoverDifference:
    """Difference of cover of units that both dates hold, drawn again together.

    Args:
        first: (units, classes) amounts at the first date: pixels, square meters.
        second: the same units at the second date. Units that are empty at one of them take no part.
        draws: behind the interval.
        seed: of the draws.
    """
    held = (first.sum(axis=1) > 0) & (second.sum(axis=1) > 0)
    a, b = first[held], second[held]
    count, classes = len(a), first.shape[1]
    if count < 2:
        return _without_interval(a, b)
    drawn = [parts(times @ b) - parts(times @ a) for times in resample(count, draws=draws, seed=seed)]
    skew = jackknife_skewness(parts_without_each(b) - parts_without_each(a))
    factor = np.full(classes, np.sqrt(count / (count - 1)))
    spread = _Spread(np.concatenate(drawn), np.full(classes, count - 1.0), factor, skew)
    found = _with_interval(a, b, spread)
    low, high = with_seldom((found.low, found.high), found.difference, a + b)
    return replace(found, low=low, high=high)


def independent_difference(first: Float64, second: Float64, *, draws: int, seed: int) -> CoverDifference:
    """Difference of cover of images that the dates do not share: those of each are drawn again by themselves.

    Args:
        first: (units, classes) amounts at the first date; empty units take no part.
        second: (other units, classes) at the second date.
        draws: behind the interval.
        seed: of the draws.
    """
    sides = [rows[rows.sum(axis=1) > 0] for rows in (first, second)]
    counts = [len(rows) for rows in sides]
    if min(counts) < 2:
        return _without_interval(sides[0], sides[1])
    own = [
        np.concatenate([parts(times @ rows) for times in resample(len(rows), draws=draws, seed=seed + place)])
        for place, rows in enumerate(sides)
    ]
    # Welch (1947): two samples of unequal variance
    drawn = [values.var(axis=0) + _NOTHING**2 for values in own]
    true = [values * count / (count - 1) for values, count in zip(drawn, counts, strict=True)]
    total = true[0] + true[1]
    freedom = total**2 / (true[0] ** 2 / (counts[0] - 1) + true[1] ** 2 / (counts[1] - 1))
    third = [jackknife_skewness(parts_without_each(rows)) * each**1.5 for rows, each in zip(sides, true, strict=True)]
    factor = np.sqrt(total / (drawn[0] + drawn[1]))
    spread = _Spread(own[1] - own[0], freedom, factor, (third[1] - third[0]) / total**1.5)
    found = _with_interval(sides[0], sides[1], spread)
    low, high = _with_seldom_side(found, sides, own)
    return replace(found, low=low, high=high)


def _with_seldom_side(found: CoverDifference, sides: Sequence[Float64], draws: Sequence[Float64]) -> Interval:
    """Ends of differences, moved out where few units of a date hold the class, or none while some of the other do."""
    where_held = shares_where_held(np.concatenate(list(sides)))
    ends = [share_ends(drawn, rows, where_held) for rows, drawn in zip(sides, draws, strict=True)]
    seldom = np.any([seldom_held(rows) | ~(rows > 0).any(axis=0) for rows in sides], axis=0)
    low, high = difference_ends(found.first, found.second, (ends[0], ends[1]))
    low, high = np.minimum(found.low, np.maximum(low, -1.0)), np.maximum(found.high, np.minimum(high, 1.0))
    return np.where(seldom, low, found.low), np.where(seldom, high, found.high)


def _with_interval(a: Float64, b: Float64, spread: _Spread) -> CoverDifference:
    first, second = parts(a.sum(axis=0)), parts(b.sum(axis=0))
    found, classes = second - first, len(first)
    low, high = outer_interval(
        spread.draws, found, freedom=spread.freedom, factor=spread.factor, ends=(-1.0, 1.0), skew=spread.skew
    )
    error = spread.draws.std(axis=0)
    varies = error > _NOTHING
    held = _holding(a, b)
    low, high = (np.where(held > 0, end, np.nan) for end in (low, high))  # others may hold what none of these does
    limit = np.full(classes, np.inf)
    if not varies.any():
        return CoverDifference(first, second, low, high, limit, (len(a), len(b)), held)
    scaled = np.abs(spread.draws - found)[:, varies] / error[varies]
    together = special.ndtr(-np.quantile(scaled.max(axis=1), _TOGETHER))  # beyond it in one direction
    reach = -spread.factor * special.stdtrit(spread.freedom, together) * error
    return CoverDifference(first, second, low, high, np.where(varies, reach, limit), (len(a), len(b)), held)


def _without_interval(a: Float64, b: Float64) -> CoverDifference:
    nothing = np.full(a.shape[1], np.nan)
    first, second = parts(a.sum(axis=0)), parts(b.sum(axis=0))
    nowhere = np.full(a.shape[1], np.inf)
    return CoverDifference(first, second, nothing, nothing, nowhere, (len(a), len(b)), _holding(a, b))


def _holding(a: Float64, b: Float64) -> Int64:
    return np.asarray(np.maximum((a > 0).sum(axis=0), (b > 0).sum(axis=0)), np.int64)


def judge(found: CoverDifference, light: tuple[Float64, Float64] | None = None) -> list[str]:
    """What may be said of the difference of each class, in a word or two.

    `more` and `less`: it is real as far as these images tell. `within noise`: its interval holds 0. `may be chance`:
    its own interval does not, but of so many classes one such comes up by chance. `may be light`: it is not more than
    noise once what light could have made is taken away. `no interval`: one unit alone, or none holds the class.

    Args:
        found: the difference.
        light: (classes,) least and most of the difference that light could have made; both hold 0. None: no drift.
    """
    nothing = np.zeros(len(found.first))
    words = []
    for difference, low, high, limit, sure, least, most in zip(
        found.difference, found.low, found.high, found.limit, found.sure, *(light or (nothing, nothing)), strict=True
    ):
        if not np.isfinite(low):
            words.append("no interval")
        elif low <= 0 <= high:
            words.append("within noise")
        elif not sure:
            words.append("may be chance")
        elif min(low, difference - limit) <= most and max(high, difference + limit) >= least:
            words.append("may be light")
        else:
            words.append("more" if low > 0 else "less")
    return words

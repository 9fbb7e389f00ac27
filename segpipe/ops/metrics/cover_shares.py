"""Shares of classes in what images hold, and their 95% intervals from draws of the images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segpipe.ops.metrics.bootstrap import Interval
from segpipe.ops.metrics.skewed_interval import jackknife_skewness, one_sample, unseen_end, with_seldom

Float64 = npt.NDArray[np.float64]

_SHARE = (0.0, 1.0)


def parts(amounts: Float64) -> Float64:
    """Amounts (..., classes) as parts of their sum; NaN where that is 0."""
    total = amounts.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(amounts, total, out=np.full(amounts.shape, np.nan), where=total > 0))


def parts_without_each(amounts: Float64) -> Float64:
    """Shares (images, classes) of classes with each of the images (images, classes) left out."""
    return parts(amounts.sum(axis=0) - amounts)


def shares_where_held(amounts: Float64) -> Float64:
    """Share of each class in the images (images, classes) that hold it, (classes,); NaN where none does."""
    totals = (amounts > 0).T @ amounts.sum(axis=1)
    return np.asarray(np.divide(amounts.sum(axis=0), totals, out=np.full(amounts.shape[1], np.nan), where=totals > 0))


def share_ends(drawn: Float64, amounts: Float64, where_held: Float64 | None = None) -> Interval:
    """The 95% interval of the share of each class.

    A class that none of these images holds does not vary however they are drawn; its interval reaches to the share of
    images that may hold it times its share in images that do. Of one that few hold: see `with_seldom`.

    Args:
        drawn: (draws, classes) shares of images drawn again.
        amounts: (images, classes), two at least, none of them empty.
        where_held: (classes,) as of `shares_where_held`, of these and other images; None: classes that none of these
            holds are taken to be nowhere.

    Returns:
        (classes,) low and (classes,) high, NaN for a class that no image is known to hold.
    """
    found, skew = parts(amounts.sum(axis=0)), jackknife_skewness(parts_without_each(amounts))
    low, high = with_seldom(one_sample(drawn, found, len(amounts), ends=_SHARE, skew=skew), found, amounts)
    if where_held is None:
        return low, high
    unseen = ~(amounts > 0).any(axis=0)
    low = np.where(unseen & np.isnan(where_held), np.nan, low)
    return low, np.where(unseen, unseen_end(len(amounts)) * where_held, high)

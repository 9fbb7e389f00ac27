"""How much of the ground each class covers, how sure that is, and what a few labelled pixels say against it.

Pixels of one image are not independent: the image is what was sampled. So intervals come from resampled images
with replacement (Efron, 1979), each draw as large as the sample; how, see `ops.metrics.skewed_interval`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.ops.metrics.bootstrap import AT_ONCE, Interval, resample
from segpipe.ops.metrics.cover_shares import parts, share_ends
from segpipe.ops.metrics.skewed_interval import one_sample

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_SHARE = (0.0, 1.0)


def shares(amounts: Float64) -> Float64:
    """Share of each class in all that some images hold.

    Args:
        amounts: (images, classes) pixels, square meters, or shares where every image shall count the same.

    Returns:
        (classes,), their sum is 1; NaN where the images hold nothing.
    """
    return parts(amounts.sum(axis=0))


def bootstrap_shares(amounts: Float64, *, draws: int, seed: int, where_held: Float64 | None = None) -> Interval | None:
    """95% interval of the share of each class, by resampling images.

    Args:
        amounts: as in `shares`; rows without any amount take no part.
        draws: how many samples.
        seed: of the draws.
        where_held: (classes,) of these and other images: see `share_ends`, which also says what becomes of classes
            that few or none of these hold.

    Returns:
        (classes,) low and (classes,) high, NaN for a class that no image is known to hold; None for fewer than two
        images, whose spread nobody knows.
    """
    held = amounts[amounts.sum(axis=1) > 0]
    if len(held) < 2:
        return None
    drawn = np.concatenate([parts(times @ held) for times in resample(len(held), draws=draws, seed=seed)])
    return share_ends(drawn, held, where_held)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Cover as the labels see it, from where the map lies and how often it is right."""

    share: Float64
    """(labels,) their sum is 1."""
    error: Float64
    """(labels,) standard error if every labelled pixel were drawn by itself."""
    unseen: float
    """Share of the map in classes that hold no labelled pixel; `share` is of the rest."""


def calibrate(mapped: Float64, counts: npt.NDArray[np.integer] | Float64) -> Calibrated:
    r"""Area of each label from a map and a sample of labelled pixels, post-stratified by the mapped class.

    With W_i the share of the map that class i covers, n_ij the labelled pixels of label j in mapped class i and n_i
    their sum over j:

        p_j = sum_i W_i n_ij / n_i
        V(p_j) = sum_i W_i^2 (n_ij / n_i) (1 - n_ij / n_i) / (n_i - 1)

    That is Card (1982) and equations 9 and 10 of Olofsson et al. (2014, Remote Sensing of Environment 148, 42-57),
    also called the inverse or calibration estimator. Unlike the plain share of pixels it is not biased by a map that
    confuses classes, provided that labelled pixels of a mapped class stand for all of it. Where a class of the map
    holds no labelled pixel nothing is known of it: the estimate is of the rest of the map, W_i scaled to sum to 1. One
    labelled pixel says nothing of its variance, which enters as the largest that there is, W_i^2 / 4.

    Args:
        mapped: (classes,) share of each class of the map.
        counts: (classes, labels) labelled pixels.
    """
    held = counts.sum(axis=1)
    seen = (held > 0) & (mapped > 0)
    weights = np.where(seen, mapped, 0.0)
    covered = weights.sum()
    if covered == 0:
        nothing = np.full(counts.shape[1], np.nan)
        return Calibrated(nothing, nothing, 1.0)
    weights = weights / covered
    rates = counts / np.maximum(held, 1)[:, None]
    spread = np.where((held > 1)[:, None], rates * (1 - rates) / np.maximum(held - 1, 1)[:, None], 0.25)
    variance = (np.square(weights)[:, None] * spread).sum(axis=0)
    return Calibrated(weights @ rates, np.sqrt(variance), float(1 - covered / mapped.sum()))


def bootstrap_calibrated(amounts: Float64, labelled: Int64, counts: Int64, *, draws: int, seed: int) -> Interval | None:
    """95% interval of the calibrated share of each label, by resampling images, map and labelled pixels together.

    In a draw without a labelled pixel in some class of the map, its rates are those of the whole sample.

    Args:
        amounts: (images, classes) of the map, as in `shares`.
        labelled: (m,) the images with labelled pixels.
        counts: (m, classes, labels) labelled pixels of each.
        draws: how many samples.
        seed: of the draws.

    Returns:
        (labels,) low and (labels,) high; None for fewer than two labelled images.
    """
    if len(labelled) < 2 or not _known(amounts, counts):
        return None
    width = counts.shape[1] * counts.shape[2]
    drawn = [
        _calibrated(times @ amounts, times[:, labelled], counts)
        for times in resample(len(amounts), draws=draws, seed=seed, width=width)
    ]
    found = _calibrated(amounts.sum(axis=0)[None], np.ones((1, len(labelled))), counts)[0]
    return one_sample(np.concatenate(drawn), found, len(labelled), ends=_SHARE)


def bootstrap_calibrated_site(
    amounts: Float64, labelled: Int64, counts: Int64, site: npt.NDArray[np.bool_], *, draws: int, seed: int
) -> Interval | None:
    """95% interval of the calibrated share of each label at one site, by the errors that the map makes at all sites.

    The site's images are drawn again among themselves, all others among themselves, so that every draw holds as many
    of the site: the map's shares are those of the site's images, its errors those of all labelled images, these too
    among them. The estimate is right where a class of the map is the same mix of labels at every site.

    Args:
        amounts: (images, classes) of the map, as in `shares`.
        labelled: (m,) the images with labelled pixels.
        counts: (m, classes, labels) labelled pixels of each.
        site: (images,) which images belong to the site.
        draws: how many samples.
        seed: of the draws.

    Returns:
        (labels,) low and (labels,) high; None for a site of fewer than two images, and for fewer than two labelled
        ones.
    """
    own, others = np.flatnonzero(site), int((~site).sum())
    if len(own) < 2 or len(labelled) < 2 or not _known(amounts[own], counts):
        return None
    rng, inside = np.random.default_rng(seed), site[labelled]
    places = np.searchsorted(own, labelled[inside])
    elsewhere = int((~inside).sum())
    # of the images elsewhere only the labelled ones matter: the last number counts all the others
    chances = np.append(np.full(elsewhere, 1 / max(1, others)), 1 - elsewhere / max(1, others))
    step = max(1, AT_ONCE // (len(own) + len(labelled) * counts.shape[1] * counts.shape[2]))
    drawn = []
    for start in range(0, draws, step):
        size = min(step, draws - start)
        times = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=size).astype(np.float64)
        taken = np.empty((size, len(labelled)))
        taken[:, inside] = times[:, places]
        taken[:, ~inside] = rng.multinomial(others, np.clip(chances, 0, 1), size=size)[:, :-1]
        drawn.append(_calibrated(times @ amounts[own], taken, counts))
    found = _calibrated(amounts[own].sum(axis=0)[None], np.ones((1, len(labelled))), counts)[0]
    return one_sample(np.concatenate(drawn), found, min(len(own), len(labelled)), ends=_SHARE)


def _known(amounts: Float64, counts: Int64) -> bool:
    """Whether some of the map lies in classes that hold labelled pixels."""
    return bool((amounts.sum(axis=0) * (counts.sum(axis=(0, 2)) > 0)).any())


def _calibrated(mapped: Float64, times: Float64, counts: Int64) -> Float64:
    """Calibrated shares (b, labels) of draws: amounts mapped (b, classes), and how often each labelled image comes."""
    whole = counts.sum(axis=0)
    held = whole.sum(axis=1)
    rest = whole / np.maximum(held, 1)[:, None]
    drawn = (times @ counts.reshape(len(counts), -1).astype(np.float64)).reshape(-1, *whole.shape)
    sums = drawn.sum(axis=2, keepdims=True)
    rates = np.where(sums > 0, drawn / np.maximum(sums, 1), rest)
    return np.asarray(np.einsum("bi,bij->bj", parts(np.where(held > 0, mapped, 0.0)), rates))

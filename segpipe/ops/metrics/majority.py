"""How sure a few labelled pixels are of what a cluster is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from segpipe.ops.metrics.matching import NO_CLASS
from segpipe.records.scores import Confusion

Int64 = npt.NDArray[np.int64]

LEAST_PIXELS, LEAST_IMAGES, LEAST_SHARE = 10, 2, 0.5
"""What a cluster must have to be shown by a label: labelled pixels, images that they lie in, share of the label."""
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of a cluster's labelled pixels have a label."""

    pixels: int
    """Labelled pixels in the cluster."""
    images: int
    """Images that they lie in."""
    share: float
    """Of them that have the label; 0 without any."""
    low: float
    """Lower end of the 95% interval of that share."""
    high: float


def agreement(counts: Confusion, cluster: int, label: int, *, together: Int64 | None = None) -> Agreement:
    """How many of a cluster's labelled pixels have a label, and between what the share may lie.

    Args:
        counts: labelled pixels by image, label and cluster.
        cluster: which.
        label: which.
        together: (images,) images of one number count as one; None: each by itself.
    """
    inside = counts.cluster == cluster
    images = counts.image[inside] if together is None else together[counts.image[inside]]
    _, place = np.unique(images, return_inverse=True)
    totals = np.bincount(place, counts.count[inside])
    hits = np.bincount(place, counts.count[inside] * (counts.label[inside] == label), len(totals))
    total = int(totals.sum())
    share = float(hits.sum() / total) if total else 0.0
    return Agreement(total, len(totals), share, *share_interval(hits, totals))


def share_interval(hits: npt.NDArray[np.number], totals: npt.NDArray[np.number]) -> tuple[float, float]:
    """The 95% interval of a share that was counted in several images.

    Wilson's interval (1927) of as many pixels drawn one by one as the pixels of these images are worth: pixels of one
    image are alike (effective sample size, Korn and Graubard 1998, Survey Methodology 24). One image, or images that
    all agree, tell nothing of that: then every pixel counts as drawn by itself. Of few images it is too narrow.

    Args:
        hits: (images,) pixels that count.
        totals: (images,) of so many.

    Returns:
        Both ends, 0 to 1; (0, 1) without pixels.
    """
    n, images = float(totals.sum()), len(totals)
    if not n:
        return 0.0, 1.0
    p = float(hits.sum()) / n
    if images > 1 and 0 < p < 1:
        variance = images / (images - 1) * float(((hits - p * totals) ** 2).sum()) / n**2
        n = min(n, p * (1 - p) / variance) if variance else n
    middle, half = p + _Z**2 / (2 * n), _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
    low, high = ((middle + sign * half) / (1 + _Z**2 / n) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def weak_matches(counts: Confusion, matching: Int64, *, together: Int64 | None = None) -> list[int]:
    """The clusters that are matched to a label by too little: `LEAST_PIXELS`, `LEAST_IMAGES`, `LEAST_SHARE`.

    The lower end of the interval must reach the share; where one image alone is labelled, it is enough.

    Args:
        counts: labelled pixels by image, label and cluster.
        matching: (clusters,) label of each, or `NO_CLASS`.
        together: as of `agreement`.
    """
    images = min(LEAST_IMAGES, counts.images if together is None else len(np.unique(together)))
    weak = []
    for k, label in enumerate(matching.tolist()):
        if label != NO_CLASS:
            found = agreement(counts, k, label, together=together)
            if found.pixels < LEAST_PIXELS or found.images < images or found.low < LEAST_SHARE:
                weak.append(k)
    return weak

"""Which cluster stands for which class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

NO_CLASS = -1
"""Stands for a cluster that is matched to nothing."""


def match_one_to_one(counts: Int64, *, absent: bool = False) -> Int64:
    """Pair clusters and classes so that the most pixels agree (Kuhn, 1955), each class with one cluster at most.

    Where there are more clusters than classes the rest stays unmatched.

    Args:
        counts: (classes, clusters) pixels, without a column for no data.
        absent: whether classes without pixels take part too, and get what clusters are left, as in STEGO's metric.

    Returns:
        (clusters,) class of each cluster, or `NO_CLASS`.
    """
    from scipy.optimize import linear_sum_assignment  # half a second, that most commands need not wait for

    found = np.full(counts.shape[1], NO_CLASS, np.int64)
    if absent:  # clusters in rows, as there: of equally good pairings the same one is found
        cluster, label = linear_sum_assignment(counts.T, maximize=True)
        found[cluster] = label
        return found
    present = np.flatnonzero(counts.sum(axis=1))
    label, cluster = linear_sum_assignment(counts[present], maximize=True)
    found[cluster] = present[label]
    return found


def match_majority(counts: Int64) -> Int64:
    """Give each cluster the class that most of its pixels have, many clusters to one class.

    Args:
        counts: (classes, clusters) pixels, without a column for no data.

    Returns:
        (clusters,) class of each cluster, of equal ones the first; `NO_CLASS` for a cluster without labelled pixels.
    """
    best = counts.argmax(axis=0) if len(counts) else np.zeros(counts.shape[1], np.int64)
    return np.where(counts.sum(axis=0) > 0, best, NO_CLASS).astype(np.int64)


def match_overlap(counts: Int64) -> dict[int, int]:
    """Which cluster of one clustering is which of another: those that share more than half of what either holds.

    An intersection over union above one half leaves no choice: no cluster has two partners.

    Args:
        counts: (before, after) pixels in cluster i before and j after.

    Returns:
        After to before.
    """
    either = counts.sum(axis=1, keepdims=True) + counts.sum(axis=0, keepdims=True) - counts
    before, after = np.nonzero(2 * counts > either)
    return dict(zip(after.tolist(), before.tolist(), strict=True))

"""Neighbor agreement: a score of codes without labels; similar patches of different images should share a class.

The nearest patch in another image, by the frozen features, nearly always shows the same thing. Good codes put both into
one class and still distinguish classes; the adjusted Rand index of the two classes measures both at once. Collapsed
codes and codes that remember single images score low.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.ops.clustering import linkage as tree
from segpipe.ops.clustering.kmeans import assign, component_codes, spherical_kmeans
from segpipe.ops.clustering.knn import one_thread, unit_rows
from segpipe.ops.clustering.streaming_kmeans import count_block

CLASSES = (8, 16, 32)
"""Numbers of classes that codes are judged with."""
MARGIN = 0.03
"""How much better what comes later must agree to be kept. On MSRC-21 a head that agreed better by 0.02 than principal
components gave worse classes (mIoU 41 against 48); on three drawn reefs of even classes, where a tree loses a class,
k-means agreed better by 0.04 to 0.06, and on labelled sets where the tree was better by 0.01 at most."""
CATCH_UP = 0.06
"""How much a head is expected to gain at most by a whole training, and by a part of it in proportion. On four labelled
sets STEGO heads gained up to 0.027 after a quarter of theirs, 0.025 after a half, 0.011 after three quarters."""
_FINE, _ITERATIONS, _BLOCK = 80, 20, 500
_COMPONENTS = 64

Int64 = npt.NDArray[np.int64]


def nearest_elsewhere(features: npt.NDArray[np.floating], queries: Int64, groups: Int64) -> Int64:
    """For each query the row of largest cosine in another group, the first of equal ones.

    Args:
        features: (m, d), any length.
        queries: (q,) rows.
        groups: (m,) group of every row.

    Returns:
        (q,) rows.

    Raises:
        ValueError: there is a single group.
    """
    if len(np.unique(groups)) < 2:
        raise ValueError("all rows belong to one group, so no row has another to be near to")
    units, _ = unit_rows(features)
    found = np.empty(len(queries), np.int64)
    with threadpool_limits(1, "blas"):  # the same sums whatever the number of threads
        for start in range(0, len(queries), _BLOCK):
            rows = queries[start : start + _BLOCK]
            cosines = units[rows] @ units.T
            cosines[groups[rows][:, None] == groups] = -np.inf
            found[start : start + _BLOCK] = cosines.argmax(axis=1)
    return found


def agreement(codes: npt.NDArray[np.floating], queries: Int64, partners: Int64, *, seed: int) -> float:
    """How far two patches that look similar come to one class: 1 = always, 0 = no more than by chance.

    Codes fall into 80 clusters (k-means by cosine), which average linkage merges into 8, 16 and 32 classes; for each
    number the adjusted Rand index between the classes of `queries` and those of `partners`; the mean of the three.

    Args:
        codes: (m, c), any length.
        queries: (q,) rows of codes.
        partners: (q,) row that each query is compared with.
        seed: of k-means.

    Returns:
        0 where all queries come to one class: such codes tell nothing.
    """
    units, _ = unit_rows(codes)
    fine = spherical_kmeans(units, k=_FINE, restarts=1, iterations=_ITERATIONS, seed=seed)
    with one_thread():
        centers, _, merges = tree.merge(fine.centers, count_block(units, fine.centers))
        labels, _ = assign(units, centers)
    found = []
    for k in CLASSES:
        classes = tree.cut(merges, k)[labels]
        found.append(pair_agreement(classes[queries], classes[partners]))
    return float(np.mean(found))


def pair_agreement(ours: Int64, theirs: Int64) -> float:
    """Adjusted Rand index (Hubert and Arabie, 1985) between the classes of some patches and of their partners.

    Args:
        ours: (q,) class of each patch.
        theirs: (q,) class of its partner.

    Returns:
        1 = always one class, 0 = no more than by chance, and 0 where all patches come to one class.
    """
    from sklearn.metrics import adjusted_rand_score  # a second to import

    return float(adjusted_rand_score(ours, theirs)) if len(np.unique(ours)) > 1 else 0.0


def weighted_agreement(ours: Int64, theirs: Int64) -> float:
    """`pair_agreement` times the square root of the classes' entropy in nats.

    Agreement alone prefers one large class beside small ones, in which nearly all patches agree: its correction for
    chance does not see that. Entropy alone prefers classes of even size, as k-means makes them of anything. Of some
    forty criteria this product chose best (docs/explanation/quality.md).

    Args:
        ours: (q,) class of each patch, 0 and up.
        theirs: (q,) class of its partner.
    """
    counts = np.bincount(np.concatenate([ours, theirs]))
    shares = counts[counts > 0] / counts.sum()
    entropy = max(0.0, -float((shares * np.log(shares)).sum()))
    return pair_agreement(ours, theirs) * math.sqrt(entropy)


def find_partners(features: npt.NDArray[np.floating], queries: Int64, groups: Int64) -> Int64:
    """`nearest_elsewhere` by the principal components of features, without their mean.

    Args:
        features: (m, d), finite.
        queries: (q,) rows.
        groups: (m,) group of every row.

    Returns:
        (q,) rows.

    Raises:
        ValueError: there is a single group.
    """
    return nearest_elsewhere(component_codes(features, _COMPONENTS), queries, groups)

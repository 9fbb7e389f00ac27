"""Guided clusters: a few labelled vectors decide which small clusters belong together and which stay apart.

Small clusters with points of one label must link, those of different labels cannot (Wagstaff et al., ICML 2001);
everything else merges by average linkage, as it does without points. Which label a cluster without points takes, once
the linkage has brought it to one, is decided by the cosine to the labels' mean vectors and by how common each label is
among unlabelled vectors, found by EM (Saerens, Latinne and Decaestecker, Neural Computation 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax

from segpipe.ops.clustering.kmeans import assign
from segpipe.ops.clustering.knn import one_thread, unit_rows
from segpipe.ops.clustering.linkage import join

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_STEPS = 3  # of the k-means that cuts a small cluster
_EM_STEPS = 50
_TRUST = 0.5  # exponent of the shares that EM finds: it exaggerates what is common
_PULL = 1.0  # weight of the label's mean in the center of each of its small clusters, against 1 of its own
_SHARPNESS = (2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
_PLAIN = 8.0  # where no label has two points


@dataclass(frozen=True, slots=True)
class GuidedClusters:
    """Centers, and the class of each: classes 0 to L - 1 are the labels, the others what has no label."""

    centers: Float32
    """(F', d) unit rows."""
    members: Int64
    """(F',) class of each center."""
    sizes: Int64
    """(classes,) pool vectors in each."""


def guide_clusters(
    centers: Float32, pool: Float32, points: Float32, labels: Int64, *, k: int | None, cosine: float
) -> GuidedClusters:
    """Merge small clusters to classes, steered by labelled vectors.

    Args:
        centers: (F, d) unit rows, the small clusters.
        pool: (m, d) unlabelled unit rows, m at least 1.
        points: (n, d) labelled unit rows, n at least 1.
        labels: (n,) labels 0 to L - 1, each at least once.
        k: classes wanted, the labels counted, at least L; None = merge while patches agree by `cosine`.
        cosine: mean cosine down to which None merges.

    Returns:
        The classes; fewer than k where there are fewer small clusters.

    Raises:
        ValueError: k is less than the number of labels.
    """
    count = int(labels.max()) + 1
    if k is not None and k < count:
        raise ValueError(f"{k} classes cannot hold {count} labels")
    with one_thread():
        split, owner = split_clusters(centers, pool, points, labels)
        own = assign(pool, split)[0]
    weights = np.bincount(own, minlength=len(split))
    means = np.zeros(split.shape)
    np.add.at(means, own, pool)
    means = np.where(weights[:, None] > 0, means / np.maximum(weights, 1)[:, None], split)
    groups = constrained_linkage(means, np.maximum(weights, 1), owner, k=k, cosine=cosine)
    directions = label_means(points, labels)
    joined = (groups < count) & (owner < 0)
    votes = label_scores(directions, pool, points, labels, split)
    members = np.where(joined, votes.argmax(1), groups)
    pulled = np.asarray(split, np.float64)
    pulled[members < count] += _PULL * directions[members[members < count]]
    moved = unit_rows(pulled)[0].astype(np.float32)
    with one_thread():
        sizes = np.bincount(members[assign(pool, moved)[0]], minlength=int(members.max()) + 1)
    return GuidedClusters(moved, members.astype(np.int64), sizes.astype(np.int64))


def split_clusters(centers: Float32, pool: Float32, points: Float32, labels: Int64) -> tuple[Float32, Int64]:
    """Cut every small cluster that holds points of several labels into one for each label.

    Its pool vectors are divided by a k-means that starts from the labels' means and keeps their points in place.

    Args:
        centers: (F, d) unit rows.
        pool: (m, d) unit rows.
        points: (n, d) unit rows.
        labels: (n,)

    Returns:
        (F', d) unit rows, and the label (F',) that each holds, -1 for none. A label whose every point lies where no
        other label's do keeps its clusters as they are.
    """
    at, own = assign(points, centers)[0], assign(pool, centers)[0]
    found: list[Float32] = []
    owners: list[int] = []
    for cluster, center in enumerate(centers):
        inside = at == cluster
        held = np.unique(labels[inside]).tolist()
        if len(held) < 2:
            found.append(center)
            owners.append(held[0] if held else -1)
            continue
        found += list(_cut(pool[own == cluster], [points[inside & (labels == label)] for label in held]))
        owners += held
    return np.array(found, np.float32), np.array(owners, np.int64)


def _cut(vectors: Float32, seeds: list[Float32]) -> Float32:
    """Unit centers (labels, d) of the parts of a small cluster."""
    fixed = np.stack([seed.mean(0) for seed in seeds])
    centers, blank = unit_rows(fixed)
    for _ in range(_STEPS if len(vectors) else 0):
        part = assign(vectors, centers)[0]
        means = np.stack([vectors[part == i].mean(0) if (part == i).any() else fixed[i] for i in range(len(seeds))])
        moved, blank = unit_rows(means + fixed)
        centers = np.where(blank[:, None], centers, moved).astype(np.float32)
    return centers


def constrained_linkage(means: Float64, sizes: Int64, owner: Int64, *, k: int | None, cosine: float) -> Int64:
    """Average linkage in which clusters of one label come first to one group, and those of two never do.

    Args:
        means: (F, d) mean of each cluster's unit vectors.
        sizes: (F,) members, at least 1 each.
        owner: (F,) label of each, -1 for none; labels 0 to L - 1, each at least once.
        k: groups wanted; None = merge while the mean cosine is at least `cosine`.
        cosine: see there.

    Returns:
        (F,) groups: 0 to L - 1 are the labels, the others come in the order of their first cluster.
    """
    count = int(owner.max()) + 1
    free = np.flatnonzero(owner < 0)
    group = owner.copy()
    group[free] = count + np.arange(len(free))
    total = np.bincount(group, weights=sizes)
    center = np.zeros((len(total), means.shape[1]))
    np.add.at(center, group, means * sizes[:, None])
    center /= total[:, None]
    cosines = np.einsum("id,jd->ij", center, center)  # no BLAS: its sums depend on threads
    cosines[:count, :count] = -np.inf
    np.fill_diagonal(cosines, -np.inf)
    left = len(total)
    while k is None or left > k:
        first, second = sorted(divmod(int(cosines.argmax()), len(total)))
        best = cosines[first, second]
        if best == -np.inf or (k is None and best < cosine):
            break
        join(cosines, total, first, second)  # a label's ban on the others is inherited: -inf stays -inf in the mean
        group[group == second] = first
        left -= 1
    others = np.unique(group[group >= count])
    return np.where(group < count, group, count + np.searchsorted(others, group))


def label_means(points: Float32, labels: Int64) -> Float32:
    """(L, d) unit direction of each label's mean vector; zeros where its vectors cancel."""
    return np.asarray(unit_rows(_label_sums(points, labels))[0], np.float32)


def _label_sums(points: Float32, labels: Int64) -> Float64:
    sums = np.zeros((int(labels.max()) + 1, points.shape[1]))
    np.add.at(sums, labels, points)
    return sums


def label_scores(directions: Float32, pool: Float32, points: Float32, labels: Int64, vectors: Float32) -> Float64:
    """How well each label fits some vectors: its cosine, and how common it is.

    Args:
        directions: (L, d) unit means of the labels.
        pool: (m, d) unlabelled unit rows.
        points: (n, d) labelled unit rows.
        labels: (n,)
        vectors: (v, d) unit rows.

    Returns:
        (v, L) logarithms, up to a constant of each row.
    """
    sharpness = fit_sharpness(points, labels)
    logits = sharpness * np.einsum("md,ld->ml", pool, directions).astype(np.float64)
    shares = np.full(len(directions), 1 / len(directions))
    for _ in range(_EM_STEPS):
        shares = softmax(logits + _TRUST * np.log(shares + 1e-9), axis=1).mean(0)
    scores = sharpness * np.einsum("vd,ld->vl", vectors, directions)
    return np.asarray(scores + _TRUST * np.log(shares + 1e-9), np.float64)


def fit_sharpness(points: Float32, labels: Int64) -> float:
    """The factor of cosines under a softmax that makes points likeliest, each left out of its label's mean."""
    sums = _label_sums(points, labels)
    own, blank = unit_rows(sums[labels] - points)
    kept = ~blank & (np.bincount(labels)[labels] > 1)
    if not kept.any():
        return _PLAIN
    cosines = np.einsum("nd,ld->nl", points, unit_rows(sums)[0]).astype(np.float64)
    cosines[np.arange(len(points)), labels] = np.einsum("nd,nd->n", points, own)
    weights = 1 / np.bincount(labels)[labels[kept]]
    rows, right = cosines[kept], labels[kept]
    likely = [float(weights @ log_softmax(b * rows, axis=1)[np.arange(len(rows)), right]) for b in _SHARPNESS]
    return _SHARPNESS[int(np.argmax(likely))]

"""Accuracy and IoU from counts, with bootstrap intervals over images. Nothing labelled is ever left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.ops.metrics.bootstrap import resample
from segpipe.ops.metrics.matching import NO_CLASS
from segpipe.ops.metrics.skewed_interval import jackknife_skewness, one_sample
from segpipe.records.scores import Confusion

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Ends = tuple[float, float]


def confusion(
    labels: npt.NDArray[np.integer],
    clusters: npt.NDArray[np.integer],
    *,
    n_classes: int,
    n_clusters: int,
    nodata: int | None = None,
) -> Int64:
    """Count the labelled pixels of one image by class and cluster.

    Args:
        labels: class indices of any shape, negative where there is no label.
        clusters: cluster numbers, the same shape.
        n_classes: number of classes.
        n_clusters: number of clusters.
        nodata: value of `clusters` that means no data; labelled pixels there are counted in the last column.

    Returns:
        (n_classes, n_clusters + 1) pixels; their sum is the number of labelled pixels.

    Raises:
        ValueError: shapes differ, or a value is outside its range.
    """
    if labels.shape != clusters.shape:
        raise ValueError(f"labels are {labels.shape}, clusters {clusters.shape}")
    labelled = labels >= 0
    label, cluster = labels[labelled].astype(np.int64), clusters[labelled].astype(np.int64)
    if nodata is not None:
        cluster[cluster == nodata] = n_clusters
    if len(label) and label.max() >= n_classes:
        raise ValueError(f"label {label.max()} with {n_classes} classes")
    if len(cluster) and not 0 <= cluster.min() <= cluster.max() <= n_clusters:
        raise ValueError(f"clusters from {cluster.min()} to {cluster.max()}, expected 0 to {n_clusters - 1}")
    cells = np.bincount(label * (n_clusters + 1) + cluster, minlength=n_classes * (n_clusters + 1))
    assert cells.sum() == labelled.sum(), "every labelled pixel is counted once"
    return cells.reshape(n_classes, n_clusters + 1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Pixels by class, for one or many samples: every field is (..., classes)."""

    tp: Float64
    """Labelled with the class and given a cluster that stands for it."""
    support: Float64
    """Labelled with the class, whatever the cluster, no data included."""
    predicted: Float64
    """Given a cluster that stands for the class, whatever the label."""

    def accuracy(self) -> Float64:
        """Share of labelled pixels that are hits, (...); NaN without labelled pixels."""
        return _ratio(self.tp.sum(-1), self.support.sum(-1))

    def iou(self, *, absent: bool = False) -> Float64:
        """Hits by pixels labelled or predicted as the class, (..., classes).

        Args:
            absent: what a class without labels gets that is predicted somewhere: True 0, False NaN.

        Returns:
            NaN for a class that is neither labelled nor predicted.
        """
        union = self.support + self.predicted - self.tp
        return _ratio(self.tp, union if absent else np.where(self.support > 0, union, 0))

    def miou(self, *, absent: bool = False) -> Float64:
        """Mean IoU over the classes that labelled pixels have, (...); NaN without labelled pixels.

        Args:
            absent: whether classes without labels that are predicted somewhere are counted, as 0 (STEGO does so).
        """
        iou = self.iou(absent=absent)
        return _ratio(np.nan_to_num(iou).sum(-1), np.isfinite(iou).sum(-1))


def _ratio(part: npt.NDArray[np.number], whole: npt.NDArray[np.number]) -> Float64:
    nothing = np.full(np.shape(whole), np.nan)
    return np.asarray(np.divide(part, whole, out=nothing, where=np.asarray(whole) > 0))


def tally(counts: Confusion, matching: Int64) -> ClassCounts:
    """Hits, labelled and predicted pixels of every image, fields (images, classes).

    A pixel whose cluster has no class, or is no data, is labelled but no hit: an error.

    Args:
        counts: pixels by image, class and cluster.
        matching: (clusters,) class of each cluster, or `NO_CLASS`.
    """
    to = np.append(matching, NO_CLASS)[counts.cluster]
    return ClassCounts(
        tp=_sums(counts, counts.label, to == counts.label),
        support=_sums(counts, counts.label, np.ones(len(to), np.bool_)),
        predicted=_sums(counts, to, to != NO_CLASS),
    )


def _sums(counts: Confusion, classes: Int64, kept: npt.NDArray[np.bool_]) -> Float64:
    cells = counts.image[kept] * counts.classes + classes[kept]
    sums = np.bincount(cells, weights=counts.count[kept], minlength=counts.images * counts.classes)
    return sums.reshape(counts.images, counts.classes).astype(np.float64)


def pooled(images: ClassCounts) -> ClassCounts:
    """The tally of all images together, fields (classes,)."""
    return ClassCounts(images.tp.sum(0), images.support.sum(0), images.predicted.sum(0))


def bootstrap(
    images: ClassCounts, *, resamples: int, seed: int, absent: bool = False
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """95% intervals of accuracy and mIoU, by images drawn with replacement (Efron, 1979): see `skewed_interval`.

    The matching that made the tallies stays fixed; the mean IoU of a resample is over the classes it holds. Neither
    score is a mean over images, but their draws give error and skewness all the same; percentiles of the draws hold the
    truth of 10 images in 86 to 90 of 100 (`tools/score_trial.py`).

    Args:
        images: tallies of images, fields (images, classes).
        resamples: how many resamples.
        seed: of the draws.
        absent: as of `ClassCounts.miou`.

    Returns:
        ((low, high) of accuracy, (low, high) of mIoU); None for fewer than two images, whose spread nobody knows.
    """
    if len(images.tp) < 2:
        return None
    accuracy, miou = [], []
    for weights in resample(len(images.tp), draws=resamples, seed=seed):
        drawn = ClassCounts(weights @ images.tp, weights @ images.support, weights @ images.predicted)
        accuracy.append(drawn.accuracy())
        miou.append(drawn.miou(absent=absent))
    scores = np.stack([np.concatenate(values) for values in (accuracy, miou)], axis=1)
    whole = pooled(images)
    found = np.array([whole.accuracy(), whole.miou(absent=absent)])
    others = ClassCounts(*(each.sum(axis=0) - each for each in (images.tp, images.support, images.predicted)))
    skew = jackknife_skewness(np.stack([others.accuracy(), others.miou(absent=absent)], axis=1))
    low, high = one_sample(scores, found, len(images.tp), ends=(0.0, 1.0), skew=skew)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))

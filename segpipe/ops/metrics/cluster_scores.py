"""Scores of clusters from counts of labelled pixels, once it is settled which class each cluster stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.ops.metrics.confusion import ClassCounts, bootstrap, pooled, tally
from segpipe.ops.metrics.matching import NO_CLASS
from segpipe.records.class_names import fold
from segpipe.records.legend import Legend
from segpipe.records.scores import Confusion, ImageScore, LabelCounts, NamedMap, Pair, Rated

Int64 = npt.NDArray[np.int64]


def rate(
    counts: Confusion,
    classes: Sequence[str],
    matching: Int64,
    *,
    resamples: int,
    seed: int,
    together: Int64 | None = None,
    absent: bool = False,
) -> tuple[Rated, ClassCounts]:
    """Scores and each image's tally.

    Args:
        counts: labelled pixels by image, class and cluster.
        classes: names in index order.
        matching: (clusters,) class of each cluster, or `NO_CLASS`, whose pixels are errors.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        together: (images,) images of one number are drawn together; None: each by itself.
        absent: whether classes without labels that are predicted somewhere count as 0, as of `ClassCounts.miou`.
    """
    images = tally(counts, matching)
    whole = pooled(images)
    drawn = images if together is None else _joined(images, together)
    spread = bootstrap(drawn, resamples=resamples, seed=seed, absent=absent)
    found = Rated(
        **pair_of(whole, absent=absent).model_dump(),
        accuracy_ci=spread[0] if spread else None,
        miou_ci=spread[1] if spread else None,
        per_class_iou={name: _number(value) for name, value in zip(classes, whole.iou(absent=absent), strict=True)},
    )
    return found, images


def rate_names(
    found: LabelCounts, classes: Sequence[str], legend: Legend, *, absent: bool = False
) -> tuple[NamedMap, ClassCounts] | None:
    """Scores of a map under its own names: a pixel is right where its class has the name of its label.

    Args:
        found: labelled pixels by cluster.
        classes: names of the labels in index order.
        legend: of the map; clusters that it leaves out are errors where they are labelled.
        absent: as of `rate`.

    Returns:
        The scores and each image's tally; None where no class of the map has the name of a label.
    """
    labels = {fold(name): i for i, name in enumerate(classes)}
    own = [labels.get(fold(name), NO_CLASS) for name in legend.names]
    if not legend.named or all(label == NO_CLASS for label in own):
        return None
    rated, images = rate(
        found.counts,
        classes,
        np.array([*own, NO_CLASS], np.int64)[legend.classes_of],
        resamples=found.resamples,
        seed=found.seed,
        together=found.together,
        absent=absent,
    )
    matching = {
        name: None if label == NO_CLASS else classes[label] for name, label in zip(legend.names, own, strict=True)
    }
    return NamedMap(**rated.model_dump(), matching=matching), images


def score_images(names: Sequence[str], images: ClassCounts) -> list[ImageScore]:
    """One line per image from its tally, fields (images, classes)."""
    rows = zip(names, images.support.sum(-1), images.accuracy(), images.miou(), strict=True)
    return [
        ImageScore(id=name, labelled_pixels=int(pixels), accuracy=float(accuracy), miou=float(miou))
        for name, pixels, accuracy, miou in rows
    ]


def pair_of(whole: ClassCounts, *, absent: bool = False) -> Pair:
    """Accuracy and mIoU of the tally of all images; `absent` as of `ClassCounts.miou`."""
    return Pair(accuracy=_number(whole.accuracy()), miou=_number(whole.miou(absent=absent)))


def _joined(images: ClassCounts, together: Int64) -> ClassCounts:
    """The tallies of images of one number as that of one image."""
    numbers, place = np.unique(together, return_inverse=True)

    def join(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        sums = np.zeros((len(numbers), values.shape[1]))
        np.add.at(sums, place, values)
        return sums

    return ClassCounts(join(images.tp), join(images.support), join(images.predicted))


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None

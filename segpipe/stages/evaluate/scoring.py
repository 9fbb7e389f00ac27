"""From counts and vectors to the scores of scores.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.ops.metrics.cluster_scores import pair_of, rate
from segpipe.ops.metrics.confusion import ClassCounts, pooled, tally
from segpipe.ops.metrics.majority import weak_matches
from segpipe.ops.metrics.matching import NO_CLASS, match_majority, match_one_to_one
from segpipe.ops.metrics.probes import NEIGHBORS, cross_validate, knn_probe, linear_probe
from segpipe.records.scores import (
    Baseline,
    Confusion,
    Matched,
    Pair,
    ProbeScores,
    Scores,
    Unmatched,
    confusion_of,
    counts_absent,
)

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


_EXAMPLES = 20  # names written out of the labels without image

_WHOLE = (
    "Whole images at their own size. One global one-to-one (Hungarian) matching of clusters and classes over all "
    "labelled pixels; many-to-one gives each cluster its most frequent class. Labelled pixels in a cluster without a "
    "class, or where the mask holds no data, count as errors and are never dropped. mIoU is the mean over the classes "
    "that labelled pixels have. Intervals: 95%, by images drawn again (Student's t and Hall's correction), the "
    "matching kept fixed. The baseline is k-means on the projected backbone features, refined like the masks. Probes: "
    "vectors read bilinearly at labelled pixels drawn uniformly (up to {drawn} per image), cross-validated by image in "
    "up to {folds} folds, pooled; linear: logistic regression on standardised vectors; k-NN: cosine, {neighbors} "
    "neighbours."
)
_PUBLISHED = (
    "As STEGO (Hamilton et al., ICLR 2022) published: short side scaled to 320 pixels by nearest neighbour, images and "
    "labels alike, and the middle 320 x 320 judged. Codes of each crop are averaged with those of its mirror image, "
    "upsampled bilinearly and compared with the class centers (softmax of twice the cosine), then the run's dense CRF "
    "where refine.crf is on, which sees the colors as BGR. One global one-to-one (Hungarian) matching of clusters and "
    "classes over all labelled pixels; many-to-one gives each cluster its most frequent class. mIoU is the mean over "
    "the classes that labelled pixels have; a class in no label to which a cluster is matched counts as 0, as in "
    "STEGO's metric. Pixels of clusters without a class count as errors. Intervals: 95%, by images drawn again "
    "(Student's t and Hall's correction), the matching kept fixed. The baseline is k-means on the projected backbone "
    "features of the same crops, treated like the codes. Probes, not STEGO's: vectors read bilinearly at "
    "labelled pixels drawn uniformly (up to {drawn} per image), cross-validated by image in up to "
    "{folds} folds, pooled; linear: logistic regression on standardised vectors; k-NN: cosine, {neighbors} neighbours."
)
PROTOCOLS: Mapping[str, str] = {"whole": _WHOLE, "published": _PUBLISHED}
"""How scores are made, by the name of the protocol."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was counted and read, of all labelled images; none of it grows with their pixels."""

    masks: Confusion
    baseline: Confusion
    codes: Float32
    """(m, dim) at the drawn pixels."""
    features: Float32
    """(m, d)"""
    labels: Int64
    """(m,)"""
    images: Int64
    """(m,) index of the image each vector is of; images of one number share a fold."""
    together: Int64 | None = None
    """(images of `masks`,) images of one number are drawn together for intervals; None: each by itself."""


@dataclass(frozen=True, slots=True)
class ScoreConfig:
    """How scores are made of the evidence."""

    drawn: int
    """Labelled pixels drawn per image for the probes, at most."""
    folds: int
    """Of the probes."""
    resamples: int
    """Of the bootstrap."""
    seed: int
    """Of folds and bootstrap."""
    protocol: str = "whole"
    """Name of the protocol by which the evidence was found."""


def score(
    evidence: Evidence, classes: Sequence[str], config: ScoreConfig, *, labels_without_image: Sequence[str], empty: int
) -> tuple[Scores, ClassCounts]:
    """All scores, and each image's tally under the one-to-one matching.

    Args:
        evidence: what was counted and read.
        classes: names in index order.
        config: folds, resamples, seed and protocol.
        labels_without_image: names of labels that belong to no image.
        empty: images without a labelled pixel.
    """
    spread: dict[str, Any] = {
        "together": evidence.together,
        "resamples": config.resamples,
        "seed": config.seed,
        "absent": counts_absent(config.protocol),
    }
    matched, many, images = score_clusters(evidence.masks, classes, **spread)
    base, base_many, _ = score_clusters(evidence.baseline, classes, **spread)
    vectors = {"codes": evidence.codes, "features": evidence.features}
    linear, knn = (
        score_probe(
            make,
            vectors,
            evidence.labels,
            evidence.images,
            n_classes=len(classes),
            folds=config.folds,
            seed=config.seed,
        )
        for make in (linear_probe, knn_probe)
    )
    labelled = evidence.masks.total().sum(axis=1)
    absent = [name for name, pixels in zip(classes, labelled.tolist(), strict=True) if not pixels]
    scores = Scores(
        images=evidence.masks.images,
        labelled_pixels=evidence.masks.pixels,
        classes=list(classes),
        unsupervised=matched,
        many_to_one=many,
        linear_probe=linear,
        knn_probe=knn,
        baseline_kmeans=Baseline(**base.model_dump(), many_to_one=base_many),
        protocol_name=config.protocol,
        protocol=PROTOCOLS[config.protocol].format(drawn=config.drawn, folds=config.folds, neighbors=NEIGHBORS),
        unmatched=Unmatched(
            labels=len(labels_without_image),
            examples=list(labels_without_image[:_EXAMPLES]),
            empty=empty,
            absent_classes=absent,
        ),
    )
    return scores, images


def score_clusters(
    counts: Confusion,
    classes: Sequence[str],
    *,
    resamples: int,
    seed: int,
    together: Int64 | None = None,
    absent: bool = False,
) -> tuple[Matched, Pair, ClassCounts]:
    """Scores under the one-to-one matching, under the many-to-one matching, and each image's tally under the first.

    With `absent`, classes in no label are matched too, and count as 0 where their clusters are found (STEGO).
    """
    table = counts.total()[:, :-1]
    one, many = match_one_to_one(table, absent=absent), match_majority(table)
    rated, images = rate(counts, classes, one, resamples=resamples, seed=seed, together=together, absent=absent)
    matching = {str(k): None if c == NO_CLASS else classes[c] for k, c in enumerate(one.tolist())}
    weak = [str(k) for k in weak_matches(counts, one, together=together)]
    matched = Matched(**rated.model_dump(), matching=matching, weak=weak)
    return matched, pair_of(pooled(tally(counts, many))), images


def score_probe(
    make: Callable[[], Any],
    vectors: Mapping[str, Float32],
    labels: Int64,
    images: Int64,
    *,
    n_classes: int,
    folds: int,
    seed: int,
) -> ProbeScores:
    """A probe's scores on `codes` and `features` (m, d), pooled over the folds."""
    scores = {}
    for kind, rows in vectors.items():
        table = cross_validate(make, rows, labels, images, n_classes=n_classes, folds=folds, seed=seed)
        if table is None:
            nothing = Pair(accuracy=None, miou=None)
            return ProbeScores(
                codes=nothing, features=nothing, reason="cross-validation by image needs two labelled images"
            )
        counts = confusion_of(table)
        scores[kind] = pair_of(pooled(tally(counts, np.arange(n_classes))))
    return ProbeScores(codes=scores["codes"], features=scores["features"])


def matched_labels(scores: Scores) -> Int64:
    """(clusters,) label that each cluster was matched with, one to one; `NO_CLASS` for none."""
    places = {name: k for k, name in enumerate(scores.classes)}
    matching = scores.unsupervised.matching
    names = [matching[str(k)] for k in range(len(matching))]
    return np.array([NO_CLASS if name is None else places[name] for name in names], np.int64)

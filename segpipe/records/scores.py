"""Scores: counts of labelled pixels by class and cluster, and what is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from segpipe.records.film_scores import VideoScores

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Confusion:
    """How many labelled pixels of each class got each cluster, kept image by image, only cells that are not zero.

    The cluster after the last one, number `clusters`, stands for pixels that the mask calls no data.
    """

    images: int
    classes: int
    clusters: int
    image: Int64
    """(m,) which image each count belongs to."""
    label: Int64
    """(m,) class."""
    cluster: Int64
    """(m,) cluster, or `clusters` for no data."""
    count: Int64
    """(m,) pixels, at least 1."""

    def __post_init__(self) -> None:
        for name, values, limit in (
            ("image", self.image, self.images),
            ("label", self.label, self.classes),
            ("cluster", self.cluster, self.clusters + 1),
        ):
            if values.shape != self.count.shape or values.ndim != 1:
                raise ValueError(f"{name} must be ({len(self.count)},) like count, got {values.shape}")
            if len(values) and (values.min() < 0 or values.max() >= limit):
                raise ValueError(f"{name} must lie in 0 to {limit - 1}, got {values.min()} to {values.max()}")
        if len(self.count) and self.count.min() < 1:
            raise ValueError("counts must be positive")

    @property
    def pixels(self) -> int:
        """Labelled pixels of all images."""
        return int(self.count.sum())

    def total(self) -> Int64:
        """Counts over all images, (classes, clusters + 1); the last column is no data."""
        table = np.zeros((self.classes, self.clusters + 1), np.int64)
        np.add.at(table, (self.label, self.cluster), self.count)
        return table


def confusion_of(table: Int64) -> Confusion:
    """One image's counts from their (classes, clusters + 1) table."""
    label, cluster = np.nonzero(table)
    return Confusion(1, table.shape[0], table.shape[1] - 1, np.zeros_like(label), label, cluster, table[label, cluster])


def join(parts: Sequence[Confusion]) -> Confusion:
    """The counts of several sets of images, at least one, in their order."""
    if len({(part.classes, part.clusters) for part in parts}) != 1:
        raise ValueError("only counts of the same classes and clusters can be joined")
    starts = np.cumsum([0, *(part.images for part in parts)])
    return Confusion(
        images=int(starts[-1]),
        classes=parts[0].classes,
        clusters=parts[0].clusters,
        image=np.concatenate([part.image + start for part, start in zip(parts, starts, strict=False)]),
        label=np.concatenate([part.label for part in parts]),
        cluster=np.concatenate([part.cluster for part in parts]),
        count=np.concatenate([part.count for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """Counts of labelled pixels, and how intervals are made of them."""

    counts: Confusion
    together: Int64
    """(images,) images of one number are drawn together."""
    resamples: int
    seed: int


def counts_absent(protocol: str) -> bool:
    """Whether a class in no label counts as 0 in a mean where it is predicted: by `published`, as in STEGO's metric."""
    return protocol == "published"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pair(_Record):
    """Two fractions from 0 to 1; None where there was nothing to measure."""

    accuracy: float | None
    miou: float | None


class Rated(Pair):
    """Scores with their spread, and of each class."""

    accuracy_ci: tuple[float, float] | None
    """95% interval by bootstrap over images; None with fewer than two images."""
    miou_ci: tuple[float, float] | None
    per_class_iou: dict[str, float | None]
    """By class name; None for a class that no labelled pixel has (by `published`: and no cluster stands for)."""


class Matched(Rated):
    """Scores under one global one-to-one matching of clusters and classes."""

    matching: dict[str, str | None]
    """Class name by cluster number; None for a cluster without a class."""
    weak: list[str] | None = None
    """Numbers of clusters matched by few labelled pixels, or by no sure majority of them; None: of an earlier version.
    """


class NamedMap(Rated):
    """Scores of the map under the names that a person gave its classes; nothing is matched."""

    matching: dict[str, str | None]
    """Label of each class of the map by its name; None where no label has that name."""


class Baseline(Matched):
    """Scores of the k-means baseline."""

    many_to_one: Pair


class ProbeScores(_Record):
    """A supervised probe on the head's codes and on the backbone's features, cross-validated by image."""

    codes: Pair
    features: Pair
    reason: str | None = None
    """Why there are no numbers."""


class Unmatched(_Record):
    """Labels and classes that the scores say nothing about."""

    labels: int
    """Label files or image names of the CSV that belong to no image, or have another size than it."""
    examples: list[str]
    """The first of them."""
    empty: int
    """Images whose labels hold no labelled pixel."""
    absent_classes: list[str]
    """Classes that no labelled pixel has; left out of every mean, but for those that `counts_absent` speaks of."""


class Scores(_Record):
    """The content of scores.json; fractions from 0 to 1."""

    images: int
    labelled_pixels: int
    classes: list[str]
    unsupervised: Matched
    many_to_one: Pair
    linear_probe: ProbeScores
    knn_probe: ProbeScores
    baseline_kmeans: Baseline
    protocol_name: str = "whole"
    """`whole` or `published`; what `protocol` says in sentences."""
    protocol: str
    unmatched: Unmatched
    guided: str | None = None
    """By how many labelled points the classes were steered; None: no label took part in making them."""
    guide_images: int = 0
    """Labelled images that are not judged because their points steered, or those of a frame next to them."""
    video: VideoScores | None = None
    """Over time, where labelled images are frames of a film; else it is not written."""

    @model_serializer(mode="wrap")
    def _without_video(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        return {name: value for name, value in values.items() if name != "video" or value is not None}


class ImageScore(_Record):
    """One line of images.jsonl: an image under the global one-to-one matching."""

    id: str
    labelled_pixels: int
    accuracy: float
    miou: float
    """Over the classes that the image's labels hold."""


@dataclass(frozen=True, slots=True)
class PointScore:
    """One line of points.csv: a labelled point under the global one-to-one matching."""

    image: str
    row: int
    column: int
    label: str
    cluster: int
    """-1 where the mask has no data."""
    matched: str | None
    """Label that the cluster was matched with."""
    right: bool

"""What a report is made of: everything that was read and drawn before its page is laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.plots.html import Plot
from segpipe.plots.thumbnails import Picture
from segpipe.records.candidates import Candidate
from segpipe.records.corpus import Corpus, Rejected
from segpipe.records.cover import Cover
from segpipe.records.features import FeatureHeader
from segpipe.records.gallery import Patch, TopImage
from segpipe.records.legend import Legend
from segpipe.records.manifest import Manifest
from segpipe.records.scores import ImageScore, NamedMap, Scores
from segpipe.stages.report.films import FilmLook
from segpipe.stages.report.page import FeatureView

Int64 = npt.NDArray[np.int64]


@dataclass(slots=True)
class ReportPictures:
    """The pictures of the page, in the order in which they were drawn."""

    overlays: dict[int, tuple[Picture, Picture]] = field(default_factory=dict)
    """By image: photograph and class map."""
    patches: dict[Patch, Picture] = field(default_factory=dict)
    top_images: dict[tuple[int, int], Picture] = field(default_factory=dict)
    """By image and class."""
    features: dict[int, FeatureView] = field(default_factory=dict)
    """By crop."""

    def update(self, other: ReportPictures) -> None:
        """Add the pictures of `other`."""
        self.overlays |= other.overlays
        self.patches |= other.patches
        self.top_images |= other.top_images
        self.features |= other.features


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `evaluate` found."""

    scores: Scores
    images: Sequence[ImageScore]
    labels: Sequence[str]
    """Names of the labelled classes: the rows of `confusion`."""
    confusion: Int64
    """(labelled classes, found classes + 1), the last column is no data."""
    named: NamedMap | None = None
    """The map under its names, where a person gave some; `images` are of it then."""

    @property
    def ranks(self) -> bool:
        """Whether the images shown are ordered by accuracy: only where their whole masks were compared."""
        return self.scores.protocol_name == "whole"


@dataclass(frozen=True, slots=True)
class Certainty:
    """How sure the masks are."""

    margins: Sequence[float | None]
    """Mean per class; None for a class without pixels."""
    entropy: Mapping[int, float]
    """Mean by image."""
    next: Sequence[tuple[int, int]]
    """Images to label next, and the class that each stands for."""


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that the page is made of."""

    title: str
    corpus: Corpus
    rejected: Sequence[Rejected]
    header: FeatureHeader
    clusters: int
    """How many were asked for."""
    legend: Legend
    """The classes, made of clusters."""
    index: Sequence[Mapping[str, Any]]
    """Pixel counts per image by class, as the masks' index has them by cluster."""
    pixels: Int64
    """(classes,) of all masks."""
    holding: Int64
    """(classes,) images that hold the class."""
    manifest: Manifest
    stages: Sequence[str]
    """Names of the stages in their order."""
    evaluation: Evaluation | None
    outdated: bool
    """There are scores, and they belong to earlier masks."""
    cover: Cover | None
    stale_cover: bool
    """There is one, and it is of other masks or other names."""
    certainty: Certainty | None
    """None where the masks came without it."""
    crops: int
    """How many crops were sampled."""
    fit: Mapping[int, float]
    """For each sampled image the mean cosine of its patches to their class centers."""
    fixed: Sequence[int]
    """Classes that lie at the same place of every frame."""
    groups: Mapping[str, Mapping[int, float]]
    """Images to show beside their class maps, by the reason for which they were chosen, with accuracy or fit."""
    best: Mapping[int, Sequence[Patch]]
    """Per class in the gallery."""
    top_images: Mapping[int, Sequence[TopImage]]
    """Per class in the gallery."""
    pictures: ReportPictures
    training: Sequence[Plot]
    candidates: Sequence[Candidate]
    films: Sequence[FilmLook]
    kept: str = ""
    """What is said of classes that were found on other images; empty where they are those of these images."""

    def name(self, image: int) -> str:
        """The id of an image."""
        return self.corpus.images[image].id

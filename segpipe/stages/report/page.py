"""The report as one HTML page: what its sections hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segpipe.plots import html
from segpipe.plots.html import Page, Pairs, Plot, Shot
from segpipe.plots.thumbnails import Picture
from segpipe.stages.report.films_part import FilmScoresPart, FilmsPart


@dataclass(frozen=True, slots=True)
class ClassLabel:
    """A found class, drawn the same wherever it appears: a chip in its color and its name."""

    name: str
    color: str
    """Hexadecimal, `#rrggbb`; empty for none."""


@dataclass(frozen=True, slots=True)
class ImageOverlay:
    """An image beside its class map."""

    name: str
    note: str
    photo: Picture
    painted: Picture
    present: Sequence[tuple[ClassLabel, float]]
    """Classes of the image with their shares, largest first."""


@dataclass(frozen=True, slots=True)
class OverlayGroup:
    """Images that were chosen for the same reason."""

    title: str
    overlays: Sequence[ImageOverlay]


@dataclass(frozen=True, slots=True)
class ShareRow:
    """One line of the table of shares."""

    number: int
    """Of the class."""
    label: ClassLabel
    share: float
    """Of all pixels with a class."""
    images: int
    """That hold the class."""
    margin: float | None = None
    """Mean over its pixels of the best class's probability minus the second's; None where it is unknown."""


@dataclass(frozen=True, slots=True)
class ClassCard:
    """One class in the gallery."""

    row: ShareRow
    patches: Sequence[Shot]
    images: Sequence[Shot]
    """Where the class covers most."""


@dataclass(frozen=True, slots=True)
class ImagesPart:
    """Chosen images beside their class maps."""

    groups: Sequence[OverlayGroup]
    rule: str
    """How they were chosen."""


@dataclass(frozen=True, slots=True)
class ClassesPart:
    """The classes: how much they cover, what they look like, which images to label next."""

    shares: Sequence[ShareRow]
    empty: Sequence[ClassLabel]
    """Classes without a single pixel."""
    merging: Plot | None
    """How similar the classes are that merge next, over their number."""
    cards: Sequence[ClassCard]
    gallery_note: str
    uncertain: Sequence[tuple[str, float, ClassLabel]]
    """Images to label next: name, mean entropy, the class they stand for; empty without certainty."""
    uncertain_note: str


@dataclass(frozen=True, slots=True)
class CoverPart:
    """Shares with intervals, of all images and of sites."""

    note: str
    plot: Plot | None
    """None where `cover` did not run."""
    rows: Sequence[Mapping[str, Any]]
    """`tables.cover_rows`."""
    corrected: Sequence[Mapping[str, Any]]
    """`tables.corrected_rows`."""
    corrected_note: str
    time: Plot | None
    """Of films over time."""


@dataclass(frozen=True, slots=True)
class ScoresPart:
    """The run against labels."""

    note: str
    tables: Mapping[str, Any] | None
    """`tables.score_tables`, or None without labels."""
    confusion: Plot | None
    films: FilmScoresPart | None


@dataclass(frozen=True, slots=True)
class TrainingPart:
    """How the head was trained."""

    note: str
    candidates: Sequence[Mapping[str, Any]]
    """`tables.candidate_rows`."""
    plots: Sequence[Plot]


@dataclass(frozen=True, slots=True)
class FeatureView:
    """One crop as photograph, as backbone features and as codes."""

    name: str
    photo: Picture
    features: Picture
    codes: Picture


@dataclass(frozen=True, slots=True)
class ProvenancePart:
    """What was run, with what, on what."""

    stages: Sequence[Mapping[str, Any]]
    """`tables.stage_rows`."""
    settings: Sequence[tuple[str, Pairs]]
    versions: Pairs
    machine: Pairs


@dataclass(frozen=True, slots=True)
class ReportPage(Page):
    """Everything the page says; the template decides where and how."""

    headline: Sequence[tuple[str, str, str]]
    """Numbers under the title: value, what it is, small print."""
    images: ImagesPart
    classes: ClassesPart
    cover: CoverPart
    films: FilmsPart | None
    scores: ScoresPart
    training: TrainingPart
    features: Sequence[FeatureView]
    run: ProvenancePart
    told: Sequence[str]
    """What was read otherwise than one might expect, or passed over."""

    @property
    def contents(self) -> Pairs:
        """Table of contents."""
        return [
            ("images", "Chosen images"),
            ("classes", "Classes"),
            ("cover", "Cover"),
            *([("films", "Steadiness over time")] if self.films else []),
            ("scores", "Scores"),
            ("training", "Training"),
            ("features", "Features"),
            ("run", "What was run"),
            *([("told", "Read otherwise or passed over")] if self.told else []),
            ("rejected", f"Files skipped ({self.skipped.total})"),
        ]


def render(page: ReportPage) -> str:
    """The page as HTML."""
    return html.render("report.html.jinja", "segpipe.stages.report", page)

"""The report as one HTML page that needs nothing but itself: no script, no network, no file beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from segpipe.plots.thumbnails import Picture, data_uri
from segpipe.records.gallery import Patch


@dataclass(frozen=True, slots=True)
class ClassLabel:
    """A found class, drawn the same wherever it appears: a chip in its color and its name."""

    name: str
    color: str
    """Hexadecimal, `#rrggbb`."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A small picture with a line of text under it."""

    picture: Picture
    name: str
    """What it is of; the alternative text."""
    note: str = ""


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
    """Mean over its pixels of the best class's probability minus the second's; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class ClassCard:
    """One class in the gallery."""

    row: ShareRow
    patches: Sequence[Shot]
    covers: Sequence[Shot]


@dataclass(frozen=True, slots=True)
class Overlay:
    """An image beside its class map."""

    name: str
    note: str
    photo: Picture
    painted: Picture
    present: Sequence[tuple[ClassLabel, float]]
    """Classes of the image with their shares, largest first."""


@dataclass(frozen=True, slots=True)
class FeatureView:
    """One crop as photograph, as backbone features and as codes."""

    name: str
    photo: Picture
    features: Picture
    codes: Picture


@dataclass(slots=True)
class Drawn:
    """The pictures of a page, in the order they were drawn."""

    overlays: dict[int, tuple[Picture, Picture]] = field(default_factory=dict)
    """By image: photograph and class map."""
    patches: dict[Patch, Picture] = field(default_factory=dict)
    covers: dict[tuple[int, int], Picture] = field(default_factory=dict)
    """By image and class."""
    views: dict[int, FeatureView] = field(default_factory=dict)
    """By crop."""

    def update(self, other: Drawn) -> None:
        """Take over the pictures of `other`."""
        self.overlays |= other.overlays
        self.patches |= other.patches
        self.covers |= other.covers
        self.views |= other.views


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawn figure."""

    title: str
    svg: bytes
    caption: str
    wide: bool = False
    """Takes the page's whole width; scrolls in its own box where the window is narrower than its text needs."""

    @property
    def uri(self) -> str:
        """`data:` address of the drawing."""
        return data_uri(self.svg, "image/svg+xml")


@dataclass(frozen=True, slots=True)
class Group:
    """Overlays that were chosen for the same reason."""

    title: str
    overlays: Sequence[Overlay]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the page says; the template decides where and how."""

    title: str
    lead: str
    """One sentence: what this run is."""
    facts: Sequence[tuple[str, str, str]]
    """Headline numbers: value, what it is, small print."""
    groups: Sequence[Group]
    rule: str
    """How the overlay images were chosen."""
    shares: Sequence[ShareRow]
    empty: Sequence[ClassLabel]
    """Classes without a single pixel."""
    cards: Sequence[ClassCard]
    gallery_note: str
    cover: Plot | None
    """Shares with intervals, of all images and of sites; None where `cover` did not run."""
    cover_note: str
    doubtful: Sequence[tuple[str, float, ClassLabel]]
    """Images to label next: name, mean entropy, the class they stand for; empty where nobody knows."""
    doubtful_note: str
    covers: Sequence[Mapping[str, Any]]
    """`tables.cover_rows`."""
    corrected: Sequence[Mapping[str, Any]]
    """`tables.corrected_rows`."""
    corrected_note: str
    scores: Mapping[str, Any] | None
    """`tables.score_tables`, or None without labels."""
    confusion: Plot | None
    scores_note: str
    merging: Plot | None
    """How alike the classes are that merge next, over their number."""
    training: Sequence[Plot]
    training_note: str
    candidates: Sequence[Mapping[str, Any]]
    """`tables.candidate_rows`."""
    views: Sequence[FeatureView]
    stages: Sequence[Mapping[str, Any]]
    settings: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    versions: Sequence[tuple[str, str]]
    machine: Sequence[tuple[str, str]]
    rejected: Sequence[tuple[str, str]]
    rejected_total: int


def render(page: Page) -> str:
    """The page as HTML. Every text is escaped; bytes of file names that are not UTF-8 become question marks."""
    html: str = template("report.html.jinja").render(page=page, present=_present(page))
    return html.encode("utf-8", "replace").decode("utf-8")


def _present(page: Page) -> list[tuple[str, str]]:
    """Sections for the table of contents: anchor and title."""
    return [
        ("images", "Chosen images"),
        ("classes", "Classes"),
        ("cover", "Cover"),
        ("scores", "Scores"),
        ("training", "Training"),
        ("features", "Features"),
        ("run", "What was run"),
        ("rejected", f"Files skipped ({page.rejected_total})"),
    ]


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction in percent; a dash for None; small shares keep a digit that is not zero.

    >>> percent(0.1234), percent(None), percent(0.0), percent(0.0002)
    ('12.3%', '–', '0%', '<0.1%')
    """
    if value is None:
        return "–"
    if 0 < value < 0.5 * 10 ** (-digits - 2):
        return f"<{10**-digits:g}%"
    return f"{100 * value:.{digits}f}%" if value else "0%"


def duration(seconds: float) -> str:
    """Seconds as a person would say it.

    >>> duration(0.42), duration(75), duration(7260)
    ('0.4 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


@cache
def template(name: str) -> Any:
    """A page's template of this folder; it escapes every text and refuses names that it is not given."""
    import jinja2  # only a page being written pays for it

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("segpipe", "plots"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "duration": duration}
    return environment.get_template(name)

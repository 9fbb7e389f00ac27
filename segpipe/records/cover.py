"""Cover records: area shares by class, the content of cover.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from segpipe.base.printable import readable
from segpipe.records.film_cover import FilmCover

Name = Annotated[str, AfterValidator(readable)]
"""Of a file or folder, as JSON and other programs take it."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Share(_Record):
    """One class in some images."""

    number: int
    """Of the class on the map."""
    name: str
    share: float | None
    """Of what has a class, 0 to 1; None where nothing has."""
    low: float | None = None
    """Lower end of the 95% interval; None where there is none."""
    high: float | None = None
    pixels: int
    area: float | None = None
    """Square meters; None where the size of a pixel is not known."""


class Part(_Record):
    """The classes of some images."""

    name: Name
    """Of the image or site; `all` for all images."""
    site: Name = ""
    """Of an image."""
    images: int
    note: str = ""
    """Why there is no interval, or why to doubt it."""
    shares: list[Share]


class Corrected(_Record):
    """Cover of one label as labelled pixels correct it, beside the map's own."""

    label: str
    pixels: int
    """Labelled so."""
    raw: float | None
    """Share of the map's class of this name; None where none has it."""
    share: float | None
    """Corrected."""
    low: float | None
    high: float | None
    standard_error: float | None
    """If every labelled pixel were drawn by itself: too small where several lie in one image, so no table shows it."""
    labelled: float
    """Share of the labelled pixels that have this label."""
    found: float | None
    """Share of the same pixels that the map gives the class of this name."""


class SiteShare(_Record):
    """Cover of one label at one site, as the errors of the whole map correct it."""

    label: str
    pixels: int
    """Labelled so, at the site."""
    raw: float | None
    """Share of the map's class of this name at the site; None where none has it."""
    share: float | None
    """Corrected."""
    low: float | None
    high: float | None


class SiteCorrection(_Record):
    """One site, corrected by the error matrix of all sites together.

    That takes a class of the map for the same mix of labels at every site.
    """

    name: Name
    images: int
    unseen: float
    """Share of the site's map in classes without a labelled pixel anywhere; nothing is known of it."""
    note: str = ""
    labels: list[SiteShare]


class Correction(_Record):
    """What labelled pixels say against the map."""

    images: int
    pixels: int
    """Labelled, in a class of the map."""
    outside: int
    """Labelled, where the map has no class."""
    unseen: float
    """Share of the map in classes without a labelled pixel; nothing is known of it."""
    unseen_classes: list[str]
    mean_error: float | None
    """Mean of |share on the map - share of the labels| over images and labels that have a class of their name."""
    labels: list[Corrected]
    confusion: list[list[int]]
    """Labelled pixels by class of the map (rows) and label (columns)."""
    note: str = ""
    sites: list[SiteCorrection] = []
    """Where there are several: the errors of all of them, applied to the map of each."""


class Cover(_Record):
    """All of it."""

    legend: str
    """Fingerprint of the names, colors and clusters of the classes."""
    classes: list[str]
    colors: list[str]
    """`#rrggbb`"""
    clusters: list[list[int]] = []
    """Of each class those that it is made of; earlier versions did not write them."""
    weight: str
    """What counts: pixels, square meters or images."""
    unit: str
    """What is resampled for the interval of all images: image or site."""
    by: str
    """What sites are."""
    draws: int
    whole: Part
    sites: list[Part]
    images: list[Part]
    correction: Correction | None = None
    films: list[FilmCover] = []
    """Over time, where there are videos; else they are not written."""

    @model_serializer(mode="wrap")
    def _without_films(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        return {name: value for name, value in values.items() if name != "films" or value}


@dataclass(frozen=True, slots=True)
class PointJudged:
    """A labelled point beside the map."""

    image: str
    site: str
    row: int
    column: int
    label: str
    name: str
    """Of the class on the map there; empty where it has none."""
    right: bool
    """Whether class and label have one name."""

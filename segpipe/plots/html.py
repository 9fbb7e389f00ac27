"""HTML pages that need nothing but themselves: no script, no network, no file beside them. What all pages share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from segpipe.base.printable import harmless, readable
from segpipe.plots.thumbnails import Picture, data_uri
from segpipe.records.corpus import Rejected

Pairs = Sequence[tuple[str, str]]
"""Names and their values, as a list of two columns shows them."""

_LISTED = 200
"""Most skipped files that a page lists."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A small picture with a line of text under it."""

    picture: Picture
    name: str
    """What it is of; the alternative text."""
    note: str = ""


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
class PageSection:
    """A heading, a text and a figure."""

    anchor: str
    title: str
    text: str
    plot: Plot


@dataclass(frozen=True, slots=True)
class ExamplePanel:
    """An image as the backbone got it, beside the map laid over it."""

    caption: str
    note: str
    photo: Picture
    map: Picture


@dataclass(frozen=True, slots=True)
class Example:
    """One image, as it is and changed in some ways."""

    name: str
    panels: Sequence[ExamplePanel]


@dataclass(frozen=True, slots=True)
class SkippedFiles:
    """Files that could not be used, with the reasons; of very many the first ones."""

    rows: Pairs
    total: int

    @classmethod
    def of(cls, rejected: Sequence[Rejected]) -> Self:
        """The first ones of all that were rejected."""
        return cls([(file.path, file.reason) for file in rejected[:_LISTED]], len(rejected))


@dataclass(frozen=True, slots=True)
class Page(ABC):
    """What the template of all pages needs."""

    title: str
    intro: str
    """One sentence under the title: what the page is about."""
    skipped: SkippedFiles

    @property
    @abstractmethod
    def contents(self) -> Pairs:
        """Table of contents: anchors and titles of the sections."""


def render(template_name: str, package: str, page: Page) -> str:
    """A page as HTML. Every text is escaped; of file names bytes that are not UTF-8 become question marks.

    Args:
        template_name: a file that extends `base.html.jinja`.
        package: the package it lies in.
        page: what it shows, under the name `page`.
    """
    html: str = template(template_name, package).render(page=page)
    return readable(html)


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
def template(name: str, package: str = "segpipe.plots") -> Any:
    """A template of a package or of this one; it escapes every text and refuses names that it is not given."""
    import jinja2  # only a page being written pays for it

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(home, "") for home in (package, "segpipe.plots")]),
        autoescape=True,
        finalize=lambda value: harmless(value) if type(value) is str else value,  # else it is marked as HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "duration": duration}
    return environment.get_template(name)

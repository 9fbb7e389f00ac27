"""The page of `change`: sentences, the figure, the table, maps of common ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.commands.change.comparison import Comparison
from segpipe.commands.change.cover_change import ChangeRow
from segpipe.commands.change.figures import change_plot
from segpipe.commands.change.same_ground import Ground
from segpipe.commands.change.text import meters, points, sentences
from segpipe.plots import html
from segpipe.plots.html import Page, PageSection, Pairs, Shot, SkippedFiles
from segpipe.plots.thumbnails import photo
from segpipe.records.legend import Legend
from segpipe.records.palette import hex_colors

_GROUNDS = 6  # shown
_MOVES = 12  # transitions listed
_QUIET = (236, 239, 242)
_EMPTY = (255, 255, 255)

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line of the table."""

    row: ChangeRow
    color: str
    difference: str
    interval: str
    by_light: str


@dataclass(frozen=True, slots=True)
class MoveRow:
    """A transition of the table."""

    before: str
    after: str
    share: float
    certain: float
    """Share of its pixels that is certain."""
    area: str


@dataclass(frozen=True, slots=True)
class GroundMaps:
    """The small maps of common ground."""

    name: str
    shots: Sequence[Shot]


@dataclass(frozen=True, slots=True)
class Alternative:
    """The results before the second date was harmonized, beside those after it."""

    rows: Sequence[tuple[str, str, str]]
    """Class, difference before, difference after."""
    sentences: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChangePage(Page):
    """Everything the page says."""

    summary: Sequence[str]
    figure: PageSection
    dates: tuple[str, str]
    sites: Sequence[tuple[str, Sequence[TableRow]]]
    moves: Sequence[MoveRow]
    grounds: Sequence[GroundMaps]
    before: Alternative | None
    how: Pairs

    @property
    def contents(self) -> Pairs:
        """Table of contents."""
        found = [(self.figure.anchor, self.figure.title), ("table", "Table")]
        found += [("ground", "The same ground")] if self.moves else []
        found += [("harmonized", "Before and after harmonizing")] if self.before else []
        return [*found, ("how", "How it was measured")]


def build_page(found: Comparison, plain: Comparison | None, how: Pairs) -> ChangePage:
    """The page.

    Args:
        found: what is shown.
        plain: the same before the second date was harmonized; None where it was not.
        how: settings and versions.
    """
    legend, rows = found.surveys[0].legend, found.cover.rows
    dates = found.surveys[0].name, found.surveys[1].name
    colors = hex_colors(legend.colors)
    sites = {row.site: list[TableRow]() for row in rows}
    for row in rows:
        interval = f"{points(row.low)} to {points(row.high)}" if row.low is not None else "–"
        light = f"{points(row.light_low)} to {points(row.light_high)}" if row.light_high > row.light_low else ""
        sites[row.site].append(TableRow(row, colors[row.number], points(row.difference), interval, light))
    return ChangePage(
        title=f"Change from {dates[0]} to {dates[1]}",
        intro=f"{legend.classes} classes; shares of {found.cover.weight}; intervals: {found.cover.unit} drawn again.",
        skipped=SkippedFiles([], 0),
        summary=sentences(found),
        figure=PageSection("cover", "Cover", "", change_plot(rows, colors, dates)),
        dates=dates,
        sites=list(sites.items()),
        moves=_moves(found),
        grounds=[_maps(ground, legend, dates) for ground in found.grounds[:_GROUNDS]],
        before=None if plain is None else _before(plain, found),
        how=how,
    )


def _moves(found: Comparison) -> list[MoveRow]:
    """The largest transitions between classes."""
    moves, names = found.transitions, found.surveys[0].legend.names
    total = sum(move.pixels for move in moves)
    moved = sorted((move for move in moves if move.before != move.after), key=lambda move: -move.pixels)
    return [
        MoveRow(
            names[move.before],
            names[move.after],
            move.pixels / total,
            move.certain / move.pixels,
            "–" if move.area is None else meters(move.area),
        )
        for move in moved[:_MOVES]
    ]


def _maps(ground: Ground, legend: Legend, dates: tuple[str, str]) -> GroundMaps:
    """Class maps of both dates, and what changed in the color that it has now, pale where it is not sure."""
    was, now, sure = ground.shown
    table = np.full((256, 3), _EMPTY, np.uint8)
    table[: legend.classes] = legend.colors
    strength = (sure.astype(np.float32) / 255)[..., None]
    changed = (_QUIET + (table[now] - np.array(_QUIET, np.float32)) * strength).astype(np.uint8)
    changed[(was == 255) | (now == 255)] = _EMPTY
    pictures = (table[was], table[now], changed)
    notes = (dates[0], dates[1], "changed: the class at the second date, pale where borders may explain it")
    shots = [
        Shot(photo(picture), f"{ground.first}, {note}", note) for picture, note in zip(pictures, notes, strict=True)
    ]
    return GroundMaps(ground.first, shots)


def _before(plain: Comparison, found: Comparison) -> Alternative:
    rows = [
        (a.name, f"{points(a.difference)} ({a.verdict})", f"{points(b.difference)} ({b.verdict})")
        for a, b in zip(plain.cover.whole, found.cover.whole, strict=True)
    ]
    sizes = [each.light.drift.size for each in (plain, found) if each.light.drift is not None]
    said = [f"Drift of features: {sizes[0]:.2f} before, {sizes[1]:.2f} after."] if len(sizes) == 2 else []
    return Alternative(rows, said)


def render(page: ChangePage) -> str:
    """The page as HTML."""
    return html.render("change.html.jinja", "segpipe.commands.change", page)

"""The page of robustness: how far masks stay the same under image corruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segpipe.commands.robustness import figures as curves
from segpipe.commands.robustness.text import amount, by_disturbance
from segpipe.plots.html import Plot, Shot, percent, template
from segpipe.plots.thumbnails import Rgb, photo
from segpipe.records.finding import KEPT, MIOU, Finding, tolerated


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a disturbance at a level."""

    level: str
    kept: Finding
    miou: Finding


@dataclass(frozen=True, slots=True)
class CorruptionFamily:
    """One disturbance in the table."""

    name: str
    rows: Sequence[Row]
    tolerated: str
    """The level up to which masks count as the same."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One image under one disturbance, level by level."""

    disturbance: str
    name: str
    shots: Sequence[Shot]


@dataclass(frozen=True, slots=True)
class Family:
    """What is shown of a family of disturbances."""

    name: str
    plot: Plot
    parts: Sequence[CorruptionFamily]
    strips: Sequence[Strip]


@dataclass(frozen=True, slots=True)
class RobustnessPage:
    """Everything the page says."""

    title: str
    lead: str
    said: Sequence[str]
    families: Sequence[Family]
    facts: Sequence[tuple[str, str]]
    """How it was measured: what, value."""
    rejected: Sequence[tuple[str, str]]


def families(findings: Sequence[Finding], pictures: Mapping[str, Mapping[tuple[str, float], Rgb]]) -> list[Family]:
    """What the page shows of every family, from what was found.

    Args:
        findings: of all disturbances, family by family.
        pictures: for some images the small pictures by disturbance and level; ("", 0) is the undisturbed one. Of each
            family the disturbance that changes most is shown.
    """
    found = []
    for plot in curves.family_plots(findings):
        rows = [finding for finding in findings if finding.family == plot.title]
        kept, miou = by_disturbance(rows, KEPT), by_disturbance(rows, MIOU)
        worst = min(kept, key=lambda name: min(_value(row) for row in kept[name]))
        strips = [_strip(name, kept[worst], shown) for name, shown in pictures.items()]
        parts = [_part(name, kept[name], miou[name]) for name in kept]
        found.append(Family(plot.title, plot, parts, strips))
    return found


def _value(finding: Finding) -> float:
    return 1.0 if finding.value is None else finding.value


def _part(name: str, kept: Sequence[Finding], miou: Sequence[Finding]) -> CorruptionFamily:
    rows = [Row(amount(k.level, k.unit), k, m) for k, m in zip(kept, miou, strict=True)]
    level = tolerated(kept)
    return CorruptionFamily(name, rows, "none" if level is None else amount(level, kept[0].unit))


def _strip(name: str, kept: Sequence[Finding], shown: Mapping[tuple[str, float], Rgb]) -> Strip:
    shots = [Shot(photo(shown["", 0.0]), f"{name}, undisturbed", "undisturbed")]
    for finding in kept:
        said = amount(finding.level, finding.unit)
        picture = photo(shown[finding.disturbance, finding.level])
        shots.append(Shot(picture, f"{name}, {finding.disturbance}, {said}", said))
    return Strip(kept[0].disturbance, name, shots)


def render(page: RobustnessPage) -> str:
    """The page as HTML. Every text is escaped; bytes of file names that are not UTF-8 become question marks."""
    html: str = template("robustness.html.jinja").render(page=page, spread=spread)
    return html.encode("utf-8", "replace").decode("utf-8")


def spread(finding: Finding) -> str:
    """An interval in percent; empty where nobody knows it."""
    return "" if finding.low is None else f"{percent(finding.low)} – {percent(finding.high)}"

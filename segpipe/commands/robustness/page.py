"""The page on the robustness of a run: how similar its masks stay when images are corrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segpipe.commands.robustness.figures import family_plots
from segpipe.commands.robustness.text import amount, by_corruption
from segpipe.plots import html
from segpipe.plots.html import Page, Pairs, Plot, Shot
from segpipe.plots.thumbnails import Rgb, photo
from segpipe.records.finding import KEPT, MIOU, Finding, tolerated


@dataclass(frozen=True, slots=True)
class LevelRow:
    """One line of the table: a corruption at a level."""

    level: str
    kept: Finding
    miou: Finding


@dataclass(frozen=True, slots=True)
class CorruptionRows:
    """One corruption in the table."""

    name: str
    rows: Sequence[LevelRow]
    tolerated: str
    """The level up to which masks count as the same."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One image under one corruption, level by level."""

    corruption: str
    name: str
    shots: Sequence[Shot]


@dataclass(frozen=True, slots=True)
class CorruptionFamily:
    """What is shown of a family of corruptions."""

    name: str
    plot: Plot
    corruptions: Sequence[CorruptionRows]
    strips: Sequence[Strip]


@dataclass(frozen=True, slots=True)
class RobustnessPage(Page):
    """Everything the page says."""

    summary: Sequence[str]
    """Sentences under the title."""
    families: Sequence[CorruptionFamily]
    metadata: Pairs
    """How it was measured: what, value."""

    @property
    def contents(self) -> Pairs:
        """Table of contents."""
        return [*((family.name, family.name) for family in self.families), ("how", "How it was measured")]


def families(
    findings: Sequence[Finding], pictures: Mapping[str, Mapping[tuple[str, float], Rgb]]
) -> list[CorruptionFamily]:
    """What the page shows of every family, from what was found.

    Args:
        findings: of all corruptions, family by family.
        pictures: for some images the small pictures by corruption and level; ("", 0) is the original. Of each
            family the corruption that changes most is shown.
    """
    found = []
    for plot in family_plots(findings):
        rows = [finding for finding in findings if finding.family == plot.title]
        kept, miou = by_corruption(rows, KEPT), by_corruption(rows, MIOU)
        worst = min(kept, key=lambda name: min(_value(row) for row in kept[name]))
        strips = [_strip(name, kept[worst], shown) for name, shown in pictures.items()]
        table = [_rows(name, kept[name], miou[name]) for name in kept]
        found.append(CorruptionFamily(plot.title, plot, table, strips))
    return found


def _value(finding: Finding) -> float:
    return 1.0 if finding.value is None else finding.value


def _rows(name: str, kept: Sequence[Finding], miou: Sequence[Finding]) -> CorruptionRows:
    rows = [LevelRow(amount(k.level, k.unit), k, m) for k, m in zip(kept, miou, strict=True)]
    level = tolerated(kept)
    return CorruptionRows(name, rows, "none" if level is None else amount(level, kept[0].unit))


def _strip(name: str, kept: Sequence[Finding], shown: Mapping[tuple[str, float], Rgb]) -> Strip:
    shots = [Shot(photo(shown["", 0.0]), f"{name}, original", "original")]
    for finding in kept:
        level = amount(finding.level, finding.unit)
        picture = photo(shown[finding.disturbance, finding.level])
        shots.append(Shot(picture, f"{name}, {finding.disturbance}, {level}", level))
    return Strip(kept[0].disturbance, name, shots)


def render(page: RobustnessPage) -> str:
    """The page as HTML."""
    return html.render("robustness.html.jinja", "segpipe.commands.robustness", page)

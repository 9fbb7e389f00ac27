"""What a probe of pictures has found, as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.commands.probe import figures
from segpipe.commands.probe.figures import Encoded
from segpipe.commands.probe.names import (
    ANOTHER,
    DRAWN,
    FOUND,
    HALF_BLUR,
    OVERLAP,
    PATCH,
    PICTURE,
    ROLL,
    SHARP,
    FindingTable,
    in_strip,
)
from segpipe.plots import html as report
from segpipe.plots.html import Plot
from segpipe.plots.thumbnails import Picture
from segpipe.records.corpus import Rejected

_LISTED = 200
_NO_ATTENTION = " This network has no attention: wherever a map is spoken of, it is how strongly its features respond."


@dataclass(frozen=True, slots=True)
class ExamplePanel:
    """A picture as it was seen, beside the map laid over it."""

    caption: str
    note: str
    photo: Picture
    map: Picture


@dataclass(frozen=True, slots=True)
class Example:
    """One of the pictures, disturbed in some ways."""

    name: str
    panels: Sequence[ExamplePanel]


@dataclass(frozen=True, slots=True)
class PageSection:
    """A figure and what to know about it."""

    anchor: str
    title: str
    text: str
    plot: Plot


@dataclass(frozen=True, slots=True)
class ProbePage:
    """Everything the page says."""

    title: str
    lead: str
    sentences: Sequence[str]
    table: Sequence[Mapping[str, Any]]
    sections: Sequence[PageSection]
    examples: Sequence[Example]
    examples_note: str
    settings: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    rejected: Sequence[tuple[str, str]]
    rejected_total: int


def render(page: ProbePage) -> str:
    """The page as HTML; every text is escaped."""
    present = [("table", "In short")] if page.table else []
    present += [(section.anchor, section.title) for section in page.sections]
    present += [("examples", "Examples")] if page.examples else []
    present += [("run", "What was run"), ("rejected", f"Files skipped ({page.rejected_total})")]
    html: str = report.template("probe.html.jinja").render(page=page, present=present)
    return html.encode("utf-8", "replace").decode("utf-8")


def draw_figures(found: FindingTable, by_place: npt.NDArray[np.float64] | None) -> dict[str, Encoded]:
    """The figures that the findings bear, by name."""
    drawn = {}
    if by_place is not None:
        drawn["center"] = figures.center_figure(found, by_place)
    if found.levels(HALF_BLUR, SHARP):
        drawn["focus"] = figures.focus_figure(found)
    if any(name.endswith(in_strip("")) for name in found.disturbances(DRAWN)):
        drawn["artefacts"] = figures.artefact_figure(found)
    if any(name not in (ANOTHER, ROLL) for name in found.disturbances(PICTURE)):
        drawn["agreement"] = figures.agreement_figure(found)
    return drawn


@dataclass(frozen=True, slots=True)
class ProbeSubject:
    """What was probed."""

    backbone: str
    kind: str
    """`attention` or `activation`."""
    where: str
    """Which block or stage, in words."""
    images: int
    """How many."""


def compose(
    subject: ProbeSubject,
    found: FindingTable,
    drawn: Mapping[str, Encoded],
    said: Sequence[str],
    *,
    examples: Sequence[Example],
    settings: Sequence[tuple[str, Sequence[tuple[str, str]]]],
    rejected: Sequence[Rejected],
) -> ProbePage:
    """Lay out the page.

    Args:
        subject: what was probed.
        found: all findings.
        drawn: of `draw_figures`.
        said: of `text.sentences`.
        examples: pictures to show.
        settings: what was run: groups of keys and values.
        rejected: files that were skipped.
    """
    attention = subject.kind == "attention"
    what = f"attention of CLS in {subject.where}" if attention else f"feature activation, {subject.where}"
    note = "" if attention else _NO_ATTENTION
    return ProbePage(
        title=f"What {subject.backbone} looks at",
        lead=f"{subject.images} images, disturbed and looked at again: {what}.{note}",
        sentences=said,
        table=_rows(found),
        sections=[
            PageSection(name, title, text, Plot("", drawn[name]["svg"], caption, wide=wide))
            for name, title, text, caption, wide in _SECTIONS
            if name in drawn
        ],
        examples=examples,
        examples_note="Left the picture as the backbone got it, right its map laid over it. Colors mean the same in "
        "all of them: full strength is the same multiple of an even map. "
        "Shown are the disturbances that the sentences above speak of, at their strongest.",
        settings=settings,
        rejected=[(entry.path, entry.reason) for entry in rejected[:_LISTED]],
        rejected_total=len(rejected),
    )


_INTERVALS = "Bars are 95% intervals by drawing the images again."
_SECTIONS = (
    (
        "center",
        "Center",
        "Every picture is rolled by quarters of its side along both axes, with wrap-around: 16 rolls, in which each of "
        "its patches comes to 16 places spread evenly over the frame, 4 of them in the central quarter of the area. A "
        "backbone that looks at content alone gives that quarter exactly 25% of its maps over all rolls, whatever the "
        "pictures show. Without seams: only content away from where the picture's own edges meet when it is rolled.",
        "Left: how much is looked at each place of the frame, content averaged out over all rolls and images; dashed "
        "the central quarter. Right: its share, and that of the four corners, which are a quarter of the area too. "
        f"{_INTERVALS}",
        True,
    ),
    (
        "focus",
        "Focus",
        "The left, right, upper and lower half of each picture are blurred in turn; what lies in a half and where it "
        "lies cancel out, so a backbone that does not care about focus gives the sharp half exactly 50%.",
        f"Share of the map on the half that stayed sharp, over the blur of the other half. {_INTERVALS}",
        False,
    ),
    (
        "artefacts",
        "Artefacts",
        "Artefacts are put into the upper or lower quarter of each picture. Drawn to it: the share of the map on what "
        "was touched, by the share of the same pixels before; 1 means that nothing is drawn. Beside it: how much of "
        "the rest of the map stays in place; the dashed line is the map of the picture with the strip cropped away, "
        "which no artefact reaches. Where a curve lies below the line, cropping restores more than it costs.",
        f"Over the artefacts' strength. {_INTERVALS}",
        True,
    ),
    (
        "agreement",
        "What stays the same",
        "Each picture is disturbed as a whole, and what is seen is brought back to the picture's own places. Map: the "
        "share of its mass that stays in place. Patches: cosine of the patches' features. Picture: cosine of the "
        "pictures' vectors. Features are seen from the mean of all pictures.",
        f"Dotted in the same colors: what another picture gives, by chance. {_INTERVALS}",
        True,
    ),
)


def _rows(found: FindingTable) -> list[dict[str, Any]]:
    rows = []
    for name in sorted(found.disturbances(PICTURE), key=lambda name: name == ANOTHER):  # what chance gives comes last
        levels = found.levels(name, PICTURE)
        another = name == ANOTHER
        rows.append(
            {
                "name": "another picture" if another else name,
                "family": levels[0].family,
                "levels": "" if another else ", ".join(f"{each.level:g}" for each in levels),
                "unit": "what chance gives" if another else levels[0].unit,
                "cells": [_cell(found, name, measure) for measure in (OVERLAP, PATCH, FOUND, PICTURE)],
            }
        )
    return rows


def _cell(found: FindingTable, name: str, measure: str) -> str:
    return " ".join(f"{each.value:.2f}" for each in found.levels(name, measure)) or "–"

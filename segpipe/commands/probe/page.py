"""The page of a probe of images: what the features of a backbone are biased to, and what they are robust to."""

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
from segpipe.plots import html
from segpipe.plots.html import Example, Page, PageSection, Pairs, Plot, SkippedFiles
from segpipe.records.corpus import Rejected

_NO_ATTENTION = " This network has no attention: maps show how strongly its features respond."


@dataclass(frozen=True, slots=True)
class ProbePage(Page):
    """Everything the page says."""

    summary: Sequence[str]
    """Sentences under the title."""
    table: Sequence[Mapping[str, Any]]
    sections: Sequence[PageSection]
    examples: Sequence[Example]
    settings: Sequence[tuple[str, Pairs]]

    @property
    def contents(self) -> Pairs:
        """Table of contents."""
        return [
            *([("table", "In short")] if self.table else []),
            *((section.anchor, section.title) for section in self.sections),
            *([("examples", "Examples")] if self.examples else []),
            ("run", "What was run"),
            ("rejected", f"Files skipped ({self.skipped.total})"),
        ]


def render(page: ProbePage) -> str:
    """The page as HTML."""
    return html.render("probe.html.jinja", "segpipe.commands.probe", page)


def draw_figures(found: FindingTable, by_place: npt.NDArray[np.float64] | None) -> dict[str, Encoded]:
    """The figures that the findings support, by name."""
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
    summary: Sequence[str],
    *,
    examples: Sequence[Example],
    settings: Sequence[tuple[str, Pairs]],
    rejected: Sequence[Rejected],
) -> ProbePage:
    """Lay out the page.

    Args:
        subject: what was probed.
        found: all findings.
        drawn: of `draw_figures`.
        summary: of `text.sentences`.
        examples: images to show.
        settings: what was run: groups of keys and values.
        rejected: files that were skipped.
    """
    attention = subject.kind == "attention"
    what = f"attention of CLS in {subject.where}" if attention else f"feature activation, {subject.where}"
    note = "" if attention else _NO_ATTENTION
    return ProbePage(
        title=f"Bias and robustness of {subject.backbone}",
        intro=f"{subject.images} images and corrupted copies of them: {what}.{note}",
        skipped=SkippedFiles.of(rejected),
        summary=summary,
        table=_rows(found),
        sections=[
            PageSection(name, title, text, Plot("", drawn[name]["svg"], caption, wide=wide))
            for name, title, text, caption, wide in _SECTIONS
            if name in drawn
        ],
        examples=examples,
        settings=settings,
    )


_INTERVALS = "Bars are 95% intervals by resampling images."
_SECTIONS = (
    (
        "center",
        "Center",
        "Every image is shifted (rolled) by quarters of its side along both axes, with wrap-around: in 16 rolls each "
        "of its patches comes to 16 places spread evenly over the frame, 4 of them in the central quarter of the area. "
        "A backbone that responds to content alone gives that quarter exactly 25% of its maps over all rolls, whatever "
        "the images show. Without seams: only content away from where the image's own edges meet when it is rolled.",
        "Left: share of the map at each place of the frame, content averaged out over all rolls and images; dashed the "
        "central quarter. Right: its share, and that of the four corners, which are a quarter of the area too. "
        f"{_INTERVALS}",
        True,
    ),
    (
        "focus",
        "Focus",
        "The left, right, upper and lower half of each image are blurred in turn; the content and the place of a half "
        "cancel out, so a backbone that does not depend on focus gives the sharp half exactly 50%.",
        f"Share of the map on the half that stayed sharp, over the blur of the other half. {_INTERVALS}",
        False,
    ),
    (
        "artefacts",
        "Artefacts",
        "Artefacts are put into the upper or lower quarter of each image. Left: the share of the map on the changed "
        "pixels, divided by their share before; 1 means that the artefact attracts nothing. Right: how much of the "
        "rest of the map stays the same; the dashed line is the map of the image with that strip cropped away. Where a "
        "curve lies below the line, cropping restores more than it costs.",
        f"Over the artefacts' strength. {_INTERVALS}",
        True,
    ),
    (
        "agreement",
        "What stays the same",
        "Each whole image is corrupted, and the result is compared with the original, place by place. Map: the share "
        "of its mass that stays in place. Patches: cosine of the patches' features. Image: cosine of the images' "
        "vectors. The mean over all images is subtracted from features first.",
        f"Dotted in the same colors: another image instead, which is what chance gives. {_INTERVALS}",
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
                "name": "another image" if another else name,
                "family": levels[0].family,
                "levels": "" if another else ", ".join(f"{each.level:g}" for each in levels),
                "unit": "what chance gives" if another else levels[0].unit,
                "cells": [_cell(found, name, measure) for measure in (OVERLAP, PATCH, FOUND, PICTURE)],
            }
        )
    return rows


def _cell(found: FindingTable, name: str, measure: str) -> str:
    return " ".join(f"{each.value:.2f}" for each in found.levels(name, measure)) or "–"

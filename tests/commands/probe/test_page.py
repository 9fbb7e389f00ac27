"""The page of `segpipe probe IMAGES` in a real browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segpipe.commands.probe.names import (
    AGAIN,
    ALL_ROLLS,
    ANOTHER,
    BESIDE,
    CENTER,
    CENTER_INNER,
    CORNERS,
    CROP,
    DRAWN,
    FOUND,
    GAIN,
    HALF_BLUR,
    OVERLAP,
    PATCH,
    PICTURE,
    ROLL,
    SHARP,
    FindingTable,
    in_strip,
)
from segpipe.commands.probe.page import ProbeSubject, compose, draw_figures, render
from segpipe.commands.probe.text import sentences
from segpipe.ops.corruptions.registry import CORRUPTIONS
from segpipe.plots.html import Example, ExamplePanel
from segpipe.plots.thumbnails import photo
from segpipe.records.corpus import Rejected
from segpipe.records.finding import Finding
from tests.helpers import chromium

PROGRAM = chromium.find()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine (apt-get install chromium)")


BY_PLACE = np.random.default_rng(0).uniform(0.05, 6, (16, 16))


def findings() -> FindingTable:
    """Every finding that a probe makes, with made-up values."""
    rng = np.random.default_rng(0)
    rows = []

    def add(name: str, family: str, level: float, unit: str, *measures: str) -> None:
        for measure in measures:
            value = float(rng.uniform(0.1, 0.9))
            rows.append(Finding(name, family, level, unit, measure, value, value - 0.05, value + 0.05, 60))

    add(ANOTHER, "reference", 0, "", OVERLAP, PATCH, FOUND, PICTURE, AGAIN)
    for level in (0, 0.25, 0.5):
        add(ROLL, "place", level, "of the side", CENTER, *((OVERLAP, PATCH, PICTURE) if level else ()))
    add(ALL_ROLLS, "place", 16, "rolls", CENTER, CENTER_INNER, CORNERS)
    add(CROP, "artefact", 0.25, "of the height", BESIDE)
    for name in ("rotation", "blur", "noise", "hue", "jpeg", "text", "green-veil"):
        each = CORRUPTIONS[name]
        for level in each.levels:
            add(each.name, each.family, level, each.unit, OVERLAP, PATCH, FOUND, PICTURE, AGAIN)
            if each.family == "artefact":
                add(in_strip(each.name), each.family, level, each.unit, DRAWN, BESIDE, GAIN)
            if each.name == "blur":
                add(HALF_BLUR, each.family, level, each.unit, SHARP)
    return FindingTable(rows)


def write(folder: Path) -> Path:
    """A page of a whole probe."""
    found = findings()
    picture = photo(np.full((256, 256, 3), 90, np.uint8))
    panels = [
        ExamplePanel(name, "40 px of letters at 480 px long side", picture, picture) for name in ("as it is", "text")
    ]
    page = compose(
        ProbeSubject("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "attention", "block 11 of 0 to 11", images=60),
        found,
        draw_figures(found, BY_PLACE),
        sentences(found, "attention", BY_PLACE),
        examples=[Example("a/long name <x-bad> " + "x" * 90, panels)],
        settings=[("Probe", [("images", "/" + "long/" * 30), ("seed", "0")])],
        rejected=[Rejected("b<x-bad>.jpg", "not an image " * 20), Rejected("d" * 200, "empty")],
    )
    path = folder / "index.html"
    path.write_text(render(page), "utf-8")
    return path


def test_the_page_is_whole_at_any_width(tmp_path: Path) -> None:
    assert PROGRAM is not None
    page = write(tmp_path)
    with chromium.open_tab(PROGRAM) as tab:
        for width in (1280, 400):
            assert chromium.look(tab, page, width)["images"] == 8

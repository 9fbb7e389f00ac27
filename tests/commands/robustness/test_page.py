"""The page of `segpipe probe RUN` in a real browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segpipe.commands.robustness.page import RobustnessPage, families, render
from segpipe.commands.robustness.text import sentences
from segpipe.ops.corruptions.registry import CORRUPTIONS
from segpipe.plots.html import SkippedFiles
from segpipe.records.corruption import FAMILIES
from segpipe.records.finding import KEPT, MIOU, Finding
from tests.helpers import chromium

PROGRAM = chromium.find()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine (apt-get install chromium)")


def write(folder: Path) -> Path:
    """A page of a whole probe with made-up values."""
    rng, rows = np.random.default_rng(0), list[Finding]()
    for each in CORRUPTIONS.values():
        for level in each.levels:
            for measure in (MIOU, KEPT):
                value = float(rng.uniform(0.1, 0.9))
                ends = value - 0.05, value + 0.05
                rows.append(Finding(each.name, each.family, level, each.unit, measure, value, *ends, images=24))
    steps = [("", 0.0), *dict.fromkeys((row.disturbance, row.level) for row in rows)]
    picture = np.full((200, 300, 3), 90, np.uint8)
    pictures = {"a/long name <x-bad> " + "x" * 90: dict.fromkeys(steps, picture)}
    page = RobustnessPage(
        title="How robust the masks of " + "run" * 40 + " are",
        intro="24 images",
        skipped=SkippedFiles([("b<x-bad>.jpg", "not an image " * 20), ("d" * 200, "empty")], 2),
        summary=sentences(rows),
        families=families(rows, pictures),
        metadata=[("images", "long/" * 60)],
    )
    path = folder / "index.html"
    path.write_text(render(page), "utf-8")
    return path


def test_the_page_is_whole_at_any_width(tmp_path: Path) -> None:
    assert PROGRAM is not None
    page = write(tmp_path)
    with chromium.open_tab(PROGRAM) as tab:
        for width in (1280, 400):
            assert chromium.look(tab, page, width)["images"] >= 4 * len(FAMILIES)

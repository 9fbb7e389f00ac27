"""The report's page: its contents, and in a real browser nothing missing, cut off or asked of the network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Rejected
from segpipe.stages import report
from segpipe.stages.report.page import ReportPage, render
from tests.helpers import chromium, report_run
from tests.helpers.film_run import as_film

PROGRAM = chromium.find()
in_browser = pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine (apt-get install chromium)")


def write(root: Path, kind: str) -> Path:
    """A report of a small run of some kind."""
    if kind == "plain":
        names, classes = ["a/long name " + "x" * 90, "b", *(f"c{i:02d}" for i in range(14))], 5
        rejected = [Rejected("b<x-bad>.jpg", "not an image " * 20), Rejected("d" * 200, "empty")]
        run_dir = report_run.make_run(root, names, classes=classes, rejected=rejected)
    elif kind == "one":
        run_dir = report_run.make_run(root, ["only"], classes=1, height=152, width=24)
    elif kind == "film":
        film = "trip/a long name " + "x" * 90 + ".mp4"
        names = [f"{film}/{10 * i:06}" for i in range(12)]
        run_dir = report_run.make_run(root, names, classes=6, height=48, width=64)
        report_run.add_scores(run_dir, ["sand", "rock"], classes=6, names=names)
        score_film(run_dir.path("scores"), film)
        as_film(run_dir, video=film)
        report_run.add_cover(run_dir, root, classes=6, names=names)
    else:
        names, labels = [f"i{i}" for i in range(10)], [f"label <x-bad> {i} " + "y" * (i % 30) for i in range(50)]
        run_dir = report_run.make_run(root, names, classes=60, height=160, width=240)
        report_run.add_scores(run_dir, labels, classes=60, names=names)
        report_run.add_cover(run_dir, root, classes=60, names=names)
    report.run(report.Config(), run_dir, Runtime())
    return run_dir.root / "report" / "index.html"


def score_film(folder: Path, film: str) -> None:
    """Add scores of a film to those of a run."""
    path = folder / "scores.json"
    mean, window = {"j": 0.6, "f": 0.45, "jf": 0.525}, {"windows": 3, "steady": 0.9, "right": 0.7, "chance": 0.25}
    own = {"film": film, "frames": 12, "labelled": 12, "seconds_apart": 1.0, "mean": mean, "classes": {"sand": mean}}
    own |= {"vc8": window, "vc16": None, "note": "no VC16: 12 frames are too few"}
    scores = json.loads(path.read_text()) | {"video": {"films": [own], "mean": mean, "vc8": window, "vc16": None}}
    path.write_text(json.dumps(scores))
    (folder / "SHA256SUMS").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def tab() -> Iterator[chromium.Tab]:
    assert PROGRAM is not None
    with chromium.open_tab(PROGRAM) as tab:
        yield tab


@in_browser
@pytest.mark.parametrize("kind", ["plain", "one", "many", "film"])
def test_the_page_is_whole_at_any_width(kind: str, tab: chromium.Tab, tmp_path: Path) -> None:
    page = write(tmp_path, kind)
    for width in (1280, 400):
        assert chromium.look(tab, page, width)["images"] > 3


def test_every_section_is_in_the_table_of_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[ReportPage] = []
    monkeypatch.setattr(report, "render", lambda page: pages.append(page) or render(page))
    rejected = [Rejected("b.jpg", "empty")] * 3
    run_dir = report_run.make_run(tmp_path, ["a", "b"], classes=2, rejected=rejected)
    report.run(report.Config(), run_dir, Runtime())
    film = write(tmp_path / "film", "film").read_text("utf-8")
    page, other = pages
    assert re.findall(r'<h2 id="(\w+)"', film) == [anchor for anchor, _ in other.contents]
    assert other.contents[3] == ("films", "Steadiness over time")
    assert "no VC16: 12 frames are too few." in film
    html = (run_dir.root / "report" / "index.html").read_text("utf-8")
    assert re.findall(r'<h2 id="(\w+)"', html) == [anchor for anchor, _ in page.contents]
    assert page.contents[-1] == ("rejected", "Files skipped (3)")

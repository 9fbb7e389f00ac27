"""The report's page: its contents, and in a real browser nothing missing, cut off or asked of the network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Rejected
from segpipe.stages import report
from segpipe.stages.report.page import ReportPage, render
from tests.helpers import chromium, report_run

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
    else:
        names, labels = [f"i{i}" for i in range(10)], [f"label <x-bad> {i} " + "y" * (i % 30) for i in range(50)]
        run_dir = report_run.make_run(root, names, classes=60, height=160, width=240)
        report_run.add_scores(run_dir, labels, classes=60, names=names)
        report_run.add_cover(run_dir, root, classes=60, names=names)
    report.run(report.Config(), run_dir, Runtime())
    return run_dir.root / "report" / "index.html"


@pytest.fixture(scope="module")
def tab() -> Iterator[chromium.Tab]:
    assert PROGRAM is not None
    with chromium.open_tab(PROGRAM) as tab:
        yield tab


@in_browser
@pytest.mark.parametrize("kind", ["plain", "one", "many"])
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
    (page,) = pages
    html = (run_dir.root / "report" / "index.html").read_text("utf-8")
    assert re.findall(r'<h2 id="(\w+)"', html) == [anchor for anchor, _ in page.contents]
    assert page.contents[-1] == ("rejected", "Files skipped (3)")

"""The README: short, its links lead somewhere, its numbers are those of the pages."""

import re
from pathlib import Path

import pytest

from segpipe.cli.app import cli
from tests.helpers.pages import PAGES
from tests.helpers.places import ROOT

README = (ROOT / "README.md").read_text("utf-8")
NAMED = [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))]


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 250
    assert len(README.split()) <= 1500


def test_every_command_it_shows_exists() -> None:
    shown = set(re.findall(r"\bsegpipe ([a-z]+)\b", "".join(re.findall(r"`{1,3}[^`]*`{1,3}", README))))
    assert shown
    assert shown <= set(cli.commands)


@pytest.mark.parametrize(("page", "link"), NAMED, ids=[f"{page.stem}-{link}" for page, link in NAMED])
def test_links_lead_somewhere(page: Path, link: str) -> None:
    assert link.startswith("http") or (page.parent / link).exists()


def test_its_results_are_those_of_the_measured_quality() -> None:
    rows = [line for line in README.splitlines() if line.startswith("|") and "±" in line]
    assert len(rows) == 6
    measured = (ROOT / "docs/explanation/quality.md").read_text("utf-8")
    for row in rows:
        title, *numbers = (cell.strip() for cell in row.strip("|").split("|"))
        line = next(line for line in measured.splitlines() if line.startswith(f"| {title} |"))
        assert [cell.split("/")[1].strip() for cell in line.strip("|").split("|")[1:]] == numbers

"""The quick part of `tools/scorecard.py`: every kind of trial is made, and none of them fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import scorecard
from tests.helpers.places import ROOT
from trials.row import Row


@pytest.mark.parametrize("kind", scorecard.KINDS)
def test_quick_trials(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    tool = [sys.executable, str(ROOT / "tools" / "scorecard.py"), kind, "--quick", "--json", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(tool, check=False, timeout=900, env=environment, capture_output=True, text=True)
    found = json.loads(out.read_text("utf-8"))["rows"]
    assert [(row["trial"], row["failures"]) for row in found if row["failures"]] == [], done.stderr
    assert done.returncode == 0, done.stderr
    idle = [row["trial"] for row in found if not row["tried"] and not any("SKIPPED" in note for note in row["notes"])]
    assert (found != [], idle) == (True, [])


def test_a_row_counts_what_failed_and_takes_no_other_word() -> None:
    row = Row("bits flipped", ("noticed",), ("silent", "stuck"), notes={"bits": 9})
    row.add("noticed", "bit 1")
    row.add("silent", "bit 2")
    assert row.line() == "| bits flipped | 2; 9 bits | 1 noticed, **1 silent**, 0 stuck |"
    assert row.failures == ["silent: bit 2"]
    with pytest.raises(ValueError, match="'fine' is none of"):
        row.add("fine", "bit 3")


def test_the_page_says_what_was_found_by_which_command() -> None:
    row = Row("bits flipped", ("noticed",), ("silent",), notes={"bits": 9})
    row.add("silent", "bit 2")
    found = json.loads(scorecard.protocol([row], "python tools/scorecard.py flips"))
    text = scorecard.page([found])
    assert f"`python tools/scorecard.py flips`, commit {found['commit']}, {found['date']}:" in text
    assert row.line() in text.split("\n")

"""`segpipe show`: a half-done run says which stages are done and which are not."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segpipe
from segpipe.base.options import Face, make
from segpipe.cli.entry import run_cli
from segpipe.commands.show import COMMAND, ShowOptions
from segpipe.stages import STAGES


def test_a_half_done_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.full((32, 32, 3), 9, np.uint8)).save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "empty.jpg").touch()
    segpipe.index(tmp_path / "photos", tmp_path / "run")
    assert run_cli(["show", str(tmp_path / "run")]) == 0
    said = capsys.readouterr()
    rows = {line.split()[0]: line for line in said.out.splitlines() if line.strip()}
    assert "up to date" in rows["index"]
    assert "not done yet" in rows["extract"]
    assert "no labels" in rows["evaluate"]
    assert "empty.jpg: empty file" in said.err


def test_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["show", str(tmp_path)]) == 2
    assert "is not a run" in capsys.readouterr().err


def test_a_row_holds_what_the_manifest_says_of_the_stage_and_skipped_files_are_no_failure(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.full((32, 32, 3), 9, np.uint8)).save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "empty.jpg").touch()
    segpipe.index(tmp_path / "photos", tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    del manifest["sha256"]  # as an earlier version wrote it
    manifest["stages"]["index"] |= {"seconds": 12.345, "finished": "2026-01-02T03:04:05+00:00"}
    path.write_text(json.dumps(manifest), "utf-8")
    options = make(ShowOptions, {"run": tmp_path / "run"})
    report = COMMAND.report(COMMAND.work(options, Face()), options)
    assert (report.code, [item.path for item in report.skipped]) == (0, ["empty.jpg"])
    assert report.listed_in == tmp_path / "run" / "corpus" / "rejected.jsonl"
    (table,) = report.lines
    rows = {row[0]: row[1:] for row in zip(*(column.cells for column in table.columns), strict=True)}
    assert list(rows) == [stage.NAME for stage in STAGES]
    assert rows["index"][:3] == ("up to date", "12.3", "2026-01-02 03:04")
    assert rows["index"][3].startswith("images 1, crops 1, rejected 1, ")
    assert rows["mine"] == ("not done yet", "", "", "")

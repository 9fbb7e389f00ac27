"""`segpipe show`: a half-done run says which stages are done and which are not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segpipe
from segpipe.cli.entry import run_cli


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

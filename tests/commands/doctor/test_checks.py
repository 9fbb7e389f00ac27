"""`segpipe doctor`: what is there is found, and what is broken is the finding."""

from pathlib import Path

import pytest

from segpipe.cli.entry import run_cli
from segpipe.commands.doctor import checks


def test_this_machine_is_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["doctor", "--folder", str(tmp_path)]) == 0
    assert "torch" in capsys.readouterr().out


def test_a_failing_check_is_told_and_decides_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(folder: Path) -> tuple[bool, str]:
        raise ImportError("half installed")

    monkeypatch.setattr(checks, "CHECKS", {"thing": broken, "other": lambda folder: (True, "fine")})
    assert run_cli(["doctor", "--folder", str(tmp_path)]) == 5
    out = capsys.readouterr().out
    assert "ImportError: half installed" in out
    assert "fine" in out

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


@pytest.mark.parametrize(("gpu", "said"), [(True, ""), (False, "(runs without a GPU too)")])
def test_the_gpu_wheel_of_faiss_is_no_fault_without_one(
    gpu: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_package", lambda *_: lambda folder: (True, "faiss-gpu 1.2"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    assert checks.CHECKS["faiss"](tmp_path) == (True, f"faiss-gpu 1.2 {said}".strip())

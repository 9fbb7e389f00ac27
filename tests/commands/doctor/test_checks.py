"""`segpipe doctor`: what is there is found, and what is broken is the finding."""

import re
from pathlib import Path

import pytest

from segpipe.cli.entry import run_cli
from segpipe.commands.doctor import checks


@pytest.fixture(autouse=True)
def hub_is_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("segpipe.nn.hub.offered", lambda repo: ("", "the Hugging Face hub cannot be reached"))


@pytest.mark.parametrize(
    ("file", "why", "said"),
    [
        (
            "",
            "the Hugging Face hub cannot be reached",
            r"not on this machine; .*cannot be reached.*HF_HOME",
        ),
        ("model.safetensors", "", "the hub answers and has them"),
    ],
)
def test_what_is_known_of_the_default_weights(
    file: str, why: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segpipe.nn.hub.offered", lambda repo: (file, why))
    good, answer = checks.CHECKS["weights"](tmp_path)
    assert good
    assert re.search(said, answer)
    assert answer.endswith("at hand: classical")


def test_weights_in_the_cache_are_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segpipe.nn.hub.cached", lambda repo: tmp_path if "dino" in repo else None)
    assert checks.CHECKS["weights"](tmp_path)[1].startswith("at hand: classical, dino_vits16")


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

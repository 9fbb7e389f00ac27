"""`segpipe pretrain`: what a user types and gets, and the result as a backbone."""

from pathlib import Path

import pytest

import segpipe
from segpipe.cli.entry import run_cli
from segpipe.commands.pretrain import COMMAND, image_cache
from tests.helpers.photos import TINY, InProcess, draw_photos, flags

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "Guards", InProcess)


def test_typed_and_called(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, out = draw_photos(tmp_path / "photos", 3), tmp_path / "own"
    assert run_cli(["pretrain", str(photos), str(out), *flags(**TINY), "-q"]) == 0
    assert f"backbone {out}  (3 images, 4 steps, loss " in capsys.readouterr().out
    found = segpipe.pretrain(photos, out, **TINY)
    assert (found["backbone"], found["images"], found["steps"], found["ended"]) == (str(out), 3, 4, "")
    assert [row["step"] for row in found["history"]] == [0, 3]
    assert run_cli(["backbones", str(out)]) == 0
    told = capsys.readouterr().out
    assert "test_vit" in told
    assert "settings batch" in told


def test_skipped_files_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = draw_photos(tmp_path / "photos", 2)
    (photos / "broken.png").write_bytes(b"nothing")
    assert run_cli(["pretrain", str(photos), str(tmp_path / "own"), *flags(**{**TINY, "steps": 1}), "-q"]) == 4
    assert "1 file skipped" in capsys.readouterr().err


def test_the_preview_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = draw_photos(tmp_path / "photos", 1)
    assert run_cli(["pretrain", str(photos), str(tmp_path / "own"), *flags(**TINY), "--preview", "-q"]) == 0
    assert capsys.readouterr().out.startswith("preview  ")


def test_errors_say_what_was_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = draw_photos(tmp_path / "photos", 1)
    assert run_cli(["pretrain", str(photos), str(tmp_path / "own"), "--global-size", "50"]) == 2
    assert "--global-size 50 is no multiple" in capsys.readouterr().err
    assert run_cli(["backbones", str(photos)]) == 2
    assert "there is no backbone.safetensors" in capsys.readouterr().err


def test_all_that_is_written_is_declared() -> None:
    assert COMMAND.name == "pretrain"
    assert "OUT/backbone.safetensors" in COMMAND.files

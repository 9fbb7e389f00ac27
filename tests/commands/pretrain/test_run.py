"""A training as a whole: killed and gone on with, in two processes, refused, on odd folders, with no room."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from segpipe.base.errors import MachineError, UsageError
from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.commands.pretrain import image_cache, run
from segpipe.commands.pretrain.options import PretrainOptions
from segpipe.commands.pretrain.run import PretrainResult, pretrain
from segpipe.nn.pretrained import FILE
from tests.helpers.photos import TINY, InProcess, draw_photos, flags

pytestmark = pytest.mark.usefixtures("one_torch_thread")
ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "Guards", InProcess)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_photos(tmp_path_factory.mktemp("pretrain") / "photos", 5)


def train(photos: Path, out: Path, **values: Any) -> PretrainResult:
    options = make(PretrainOptions, {"images": str(photos), "out": out, **TINY, **values})
    return pretrain(options, Runtime(workers=2))


@pytest.fixture(scope="module")
def untouched(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("untouched") / "own"
    result = train(photos, out)
    assert (result.steps, result.images, result.main, result.ended) == (4, 5, True, "")
    return out


def test_what_lies_in_out(untouched: Path) -> None:
    names = {path.name for path in untouched.iterdir()} - {".lock", ".segpipe"}
    assert names == {FILE, "card.json", "card.md", "curves.png", "history.jsonl", "rejected.jsonl", "settings.yaml"}
    card = json.loads((untouched / "card.json").read_text("utf-8"))
    assert (card["network"], card["data"]["images"], card["settings"]["steps"]) == ("test_vit", 5, 4)


def test_killed_and_gone_on_with_equals_untouched(photos: Path, untouched: Path, tmp_path: Path) -> None:
    out = tmp_path / "own"
    typed = ["pretrain", str(photos), str(out), *flags(**TINY), "--checkpoint-minutes", "0", "-q"]
    killed = Path(ROOT, "tests", "helpers", "killed_pretrain.py")
    died = subprocess.run([sys.executable, killed, "2", *typed], env=ENVIRONMENT, check=False)
    assert died.returncode == -9
    assert not (out / FILE).exists()
    assert (out / "checkpoint" / "training.safetensors").is_file()
    result = train(photos, out)
    assert [row["step"] for row in result.history] == [0, 3]
    assert (out / FILE).read_bytes() == (untouched / FILE).read_bytes()
    assert not [path for path in out.rglob("*") if path.name.endswith(".tmp")]


def test_two_processes_equal_one(photos: Path, untouched: Path, tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    typed = [sys.executable, "-m", "segpipe", "pretrain", str(photos), str(tmp_path / "own"), *flags(**TINY), "-q"]
    children = [
        subprocess.Popen(
            typed,
            env=ENVIRONMENT
            | {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)}
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
        )
        for rank in (0, 1)
    ]
    assert [child.wait() for child in children] == [0, 0]
    one, two = load_file(untouched / FILE), load_file(tmp_path / "own" / FILE)
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5


def test_the_same_command_does_nothing_more(photos: Path, untouched: Path) -> None:
    before = (untouched / FILE).stat().st_mtime_ns
    again = train(photos, untouched, workers=1, licence="MIT")
    assert (untouched / FILE).stat().st_mtime_ns == before
    assert [row["step"] for row in again.history] == [0, 3]


def test_other_settings_and_other_images_are_refused(photos: Path, untouched: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"other settings \(steps 4 -> 5\); give the same ones, another OUT, or over"):
        train(photos, untouched, steps=5)
    with pytest.raises(UsageError, match="holds a training on other images"):
        train(draw_photos(tmp_path / "more", 2), untouched)


def test_overwrite_begins_anew(photos: Path, tmp_path: Path) -> None:
    train(photos, tmp_path / "own", steps=1)
    before = (tmp_path / "own" / FILE).read_bytes()
    result = train(photos, tmp_path / "own", steps=2, overwrite=True)
    assert [row["step"] for row in result.history] == [0, 1]
    assert (tmp_path / "own" / FILE).read_bytes() != before


def test_its_result_is_gone_on_with(untouched: Path, photos: Path, tmp_path: Path) -> None:
    result = train(photos, tmp_path / "more", steps=1, lr=1e-9, backbone=None, init=str(untouched))
    first, second = load_file(untouched / FILE), load_file(tmp_path / "more" / FILE)
    assert all(float((first[name] - second[name]).abs().max()) < 1e-6 for name in first)
    card = json.loads((result.out / "card.json").read_text("utf-8"))
    assert card["network"] == "test_vit"
    assert card["init"].startswith(f"{FILE} sha256:")
    assert "begun with test_vit" in card["licence"]


def test_one_tiny_image_and_a_damaged_one(tmp_path: Path) -> None:
    folder = draw_photos(tmp_path / "one", 1, side=9)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    result = train(folder, tmp_path / "own", steps=2)
    assert result.images == 1
    assert [item.path for item in result.rejected] == ["broken.png"]
    assert [item.path for item in train(folder, tmp_path / "own", steps=2).rejected] == ["broken.png"]


def test_a_folder_that_is_not_ours(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear", "utf-8")
    with pytest.raises(UsageError, match="holds other files"):
        train(photos, tmp_path)
    with pytest.raises(UsageError, match="holds other files"):
        train(photos, tmp_path, preview=True)


def test_a_full_disk_is_said_before_it_begins(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(run.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(MachineError, match=r"decoded images need 0\.0 GB and 0\.0 GB are free"):
        train(photos, tmp_path / "own")
    assert "take about" in caplog.text
    assert not (tmp_path / "own" / "history.jsonl").exists()


def test_the_sheet_of_samples_begins_nothing(photos: Path, tmp_path: Path) -> None:
    result = train(photos, tmp_path / "own", preview=True)
    assert result.preview == tmp_path / "own" / "preview.png"
    assert {path.name for path in (tmp_path / "own").iterdir()} == {"preview.png", ".segpipe"}
    train(photos, tmp_path / "own", steps=1)
    assert (tmp_path / "own" / "preview.png").is_file()

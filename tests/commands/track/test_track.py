"""`segpipe track`: what a user types and gets."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segpipe
from segpipe.cli.entry import run_cli
from segpipe.commands.track import COMMAND
from segpipe.store.masks import read_mask, write_mask
from tests.helpers.films import cut_film, scene_frames, write_film
from tests.helpers.tiny_vit import VIT

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def track(video: Path, out: Path, weights: Path, *more: object) -> int:
    network = ("--backbone", VIT, "--weights", weights, "--input-size", 48, "--device", "cpu")
    return run_cli(["track", *map(str, (video, out, *network, *more)), "-q"])


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for i, rgb in enumerate(scene_frames([5], height=49, width=67)):
        Image.fromarray(rgb).save(folder / f"frame{i}.png")
    return folder


def test_a_folder_of_odd_sized_frames_with_labels(
    frames: Path, tiny_vit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels"
    for i in range(5):
        truth = np.zeros((49, 67), np.uint8)
        truth[8:24, 2 + 3 * i : 18 + 3 * i] = 1
        write_mask(labels / f"frame{i}.png", truth, classes=255)
    assert track(frames, tmp_path / "out", tiny_vit, "--labels", labels, "--merge", 0) == 0
    told = capsys.readouterr().out
    assert "1 scenes, 5 frames" in told
    assert "object 1  best track" in told
    assert "object 1  first track" in told
    assert read_mask(tmp_path / "out" / "masks" / "000004.png").shape == (49, 67)


def test_a_damaged_film_is_done_as_far_as_it_goes(
    tiny_vit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = cut_film(write_film(tmp_path / "dive.avi", [20]), 0.6)
    assert track(film, tmp_path / "out", tiny_vit) == 4
    told = capsys.readouterr()
    assert "1 file skipped" in told.err
    assert "dive.avi" in told.err
    facts = json.loads((tmp_path / "out" / "track.json").read_text("utf-8"))
    assert 0 < facts["frames"] < 20
    assert facts["rejected"][0]["path"] == "dive.avi"


@pytest.mark.parametrize("tracker", ["dora", "contrast"])
def test_the_python_function_and_every_tracker(frames: Path, tiny_vit: Path, tmp_path: Path, tracker: str) -> None:
    found = segpipe.track(
        frames,
        tmp_path / "out",
        backbone=VIT,
        weights=tiny_vit,
        input_size=48,
        device="cpu",
        tracker=tracker,
        heads="all",
        no_overlay=True,
    )
    assert (found["frames"], found["scenes"], found["rejected"]) == (5, 1, {})
    assert not (tmp_path / "out" / "overlay.webm").exists()


def test_what_cannot_be_is_said_in_a_line(
    frames: Path, tiny_vit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["track", str(frames), str(tmp_path / "out"), "--backbone", "classical", "-q"]) == 2
    assert "--backbone classical has no attention heads" in capsys.readouterr().err
    assert track(tmp_path / "none.mp4", tmp_path / "out", tiny_vit) != 0
    assert "none.mp4" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", "utf-8")
    assert track(frames, tmp_path / "mine", tiny_vit) == 2
    assert "holds other files" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_file_that_is_written_is_declared(frames: Path, tiny_vit: Path, tmp_path: Path) -> None:
    assert track(frames, tmp_path / "out", tiny_vit) == 0
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            name = Path("OUT") / path.relative_to(tmp_path / "out")
            assert any(name.match(pattern) for pattern in COMMAND.files), name

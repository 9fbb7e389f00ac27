"""Film, network, tracks and files put together; what is left when it is cut off."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import segpipe
from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.commands.track.options import TrackOptions
from segpipe.commands.track.run import track
from segpipe.store.masks import read_mask
from tests.helpers.films import write_film
from tests.helpers.odd_films import turned
from tests.helpers.places import ROOT
from tests.helpers.tiny_vit import VIT

pytestmark = pytest.mark.usefixtures("one_torch_thread")

CHILD = ROOT / "tests" / "helpers" / "killed_track.py"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "dive.avi", [30, 24, 16])


def given(film: Path, out: Path, weights: Path, *more: object) -> list[str]:
    network = ["--backbone", VIT, "--weights", weights, "--input-size", 48, "--device", "cpu", "--workers", 2]
    return [*map(str, ["track", film, out, *network, *more]), "-q"]


def run(film: Path, out: Path, weights: Path, *more: object) -> None:
    subprocess.run([sys.executable, "-m", "segpipe", *given(film, out, weights, *more)], check=True, timeout=300)


def killed(moment: object, film: Path, out: Path, weights: Path, *more: object) -> None:
    command = [sys.executable, str(CHILD), str(moment), *given(film, out, weights, *more)]
    done = subprocess.run(command, check=False, timeout=300, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def held(folder: Path) -> dict[str, bytes]:
    """All files, but for what locks and marks the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def untouched(film: Path, tiny_vit: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("untouched") / "out"
    run(film, out, tiny_vit)
    return held(out)


def test_killed_and_started_again_the_bytes_are_the_same(
    film: Path, tiny_vit: Path, untouched: dict[str, bytes], tmp_path: Path
) -> None:
    """Killed before and after the first checkpoint (32 frames), and when OUT is about to appear."""
    out = tmp_path / "out"
    for moment in (20, 50, "end"):
        killed(moment, film, out, tiny_vit)
        assert not out.exists()
        assert (tmp_path / "out.partial").is_dir()
    run(film, out, tiny_vit)
    assert held(out) == untouched
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_killed_while_an_earlier_out_gives_way(
    film: Path, tiny_vit: Path, untouched: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(film, out, tiny_vit, "--frames", 0, 5)
    before = held(out)
    killed(40, film, out, tiny_vit)
    assert held(out) == before
    killed("replacing", film, out, tiny_vit)
    run(film, out, tiny_vit)
    assert held(out) == untouched


def test_what_is_noted_of_a_film(film: Path, untouched: dict[str, bytes]) -> None:
    facts = json.loads(untouched["track.json"])
    assert (facts["frames"], facts["scenes"], facts["video"]) == (70, 3, "dive.avi")
    assert facts["weights"].startswith(f"{VIT}.safetensors sha256:")
    assert facts["options"]["input_size"] == 48
    assert facts["rejected"] == []
    masks = [name for name in untouched if name.startswith("masks/")]
    assert masks == [f"masks/{i:06}.png" for i in range(70)]
    assert {"coco_video.json", "mot.txt", "overlay.webm", "tracks.csv"} < untouched.keys()


def test_out_inside_the_frames_is_refused(tmp_path: Path) -> None:
    options = make(TrackOptions, {"video": str(tmp_path), "out": tmp_path / "tracks"})
    with pytest.raises(UsageError, match="would be taken for frames"):
        track(options, Runtime("cpu"))


def test_tracks_of_a_film_that_is_displayed_turned(tiny_vit: Path, tmp_path: Path) -> None:
    film = write_film(tmp_path / "phone.mp4", [3])
    film.write_bytes(turned(film.read_bytes(), height=48))
    segpipe.track(film, tmp_path / "out", backbone=VIT, weights=tiny_vit, input_size=48, device="cpu")
    assert read_mask(tmp_path / "out" / "masks" / "000002.png").shape == (64, 48)
    (video,) = json.loads((tmp_path / "out" / "coco_video.json").read_text("utf-8"))["videos"]
    assert (video["height"], video["width"], video["length"]) == (64, 48, 3)

"""`segpipe propagate`: what a user types and gets."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segpipe
from segpipe.base.errors import UsageError
from segpipe.cli.entry import run_cli
from segpipe.commands.propagate import carrying, writers
from segpipe.ops.metrics.video_objects import region_similarity
from segpipe.store.masks import read_mask
from tests.helpers.films import cut_film
from tests.helpers.odd_films import turned, with_times
from tests.helpers.quick_run import SMALL
from tests.helpers.wandering import wandering, write_masks, write_wandering

pytestmark = pytest.mark.usefixtures("one_torch_thread")
PLAIN: dict[str, Any] = {"backbone": "classical", "input_size": 64, "device": "cpu", "workers": 1}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_film_gets_the_classes_of_its_key_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film, keys = write_wandering(tmp_path / "a.avi", 9), write_masks(tmp_path / "keys", [0, 6])
    truth, out = write_masks(tmp_path / "truth", list(range(9))), tmp_path / "out"
    given = ["--backbone", "classical", "--input-size", "64", "--workers", "1", "-q"]
    assert run_cli(["propagate", str(film), str(out), "--masks", str(keys), "--labels", str(truth), *given]) == 0
    assert "in all (6 frames with labels)" in capsys.readouterr().out
    assert [row["key"] for row in table(out / "frames.csv")] == list("100000100")
    for number in range(9):
        found = read_mask(out / "masks" / f"{number:06}.png")
        assert region_similarity(wandering(number)[1] == 1, found == 1) > (0.99 if number in (0, 6) else 0.3)
    facts = json.loads((out / "propagate.json").read_text())
    assert (facts["frames"], facts["key_frames"], facts["input"]) == (9, [0, 6], [64, 64])
    assert {path.name for path in out.iterdir()} >= {"overlay.webm", "area.csv", "classes.csv", "confidence"}
    assert not (out / ".begun").exists()


def test_masks_are_of_frames_as_they_are_displayed(tmp_path: Path) -> None:
    """A film that telephones turn, and one of odd sizes, whose frames grow by a row and a column when written."""
    film = write_wandering(tmp_path / "a.mp4", 4)
    film.write_bytes(turned(film.read_bytes(), height=64))
    (tmp_path / "keys").mkdir()
    upright = np.rot90(wandering(0)[1], -1)
    Image.fromarray(upright).save(tmp_path / "keys" / "000000.png")
    segpipe.propagate(film, tmp_path / "turned", masks=tmp_path / "keys", **PLAIN)
    last = read_mask(tmp_path / "turned" / "masks" / "000003.png")
    assert last.shape == (96, 64)
    assert region_similarity(np.rot90(wandering(3)[1], -1) == 1, last == 1) > 0.5

    odd = write_wandering(tmp_path / "odd.avi", 3, height=63, width=95)
    (tmp_path / "odd").mkdir()
    grown = np.pad(wandering(0, height=63, width=95)[1], ((0, 1), (0, 1)))
    Image.fromarray(grown).save(tmp_path / "odd" / "000000.png")
    segpipe.propagate(odd, tmp_path / "even", masks=tmp_path / "odd", **PLAIN)
    assert read_mask(tmp_path / "even" / "masks" / "000002.png").shape == (64, 96)
    segpipe.propagate(film, tmp_path / "early", masks=tmp_path / "keys", frames=(0, 2), **PLAIN)
    with pytest.raises(UsageError, match=r"has 96 x 64 pixels, the frame 64 x 96"):
        segpipe.propagate(film, tmp_path / "stored", masks=write_masks(tmp_path / "stored keys", [0]), **PLAIN)


class Killed(BaseException):
    """The process was killed here."""


@pytest.mark.parametrize("at", [3, 9, 13])
def test_a_call_that_was_cut_off_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(carrying, "EVERY", 3)
    film, keys = write_wandering(tmp_path / "a.avi", 15), write_masks(tmp_path / "keys", [2, 10])
    segpipe.propagate(film, tmp_path / "whole", masks=keys, **PLAIN)
    plain, count = writers.FrameFiles._write, 0

    def killing(*given: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == at:
            raise Killed
        return plain(*given, **named)

    monkeypatch.setattr(writers.FrameFiles, "_write", killing)
    with pytest.raises(Killed):
        segpipe.propagate(film, tmp_path / "cut", masks=keys, **PLAIN)
    assert [path.name for path in (tmp_path / "cut").iterdir() if not path.name.startswith(".")] == []
    segpipe.propagate(film, tmp_path / "cut", masks=keys, **PLAIN)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert count < 15 + at + 6


def test_other_settings_begin_anew_and_replace_what_was_there(tmp_path: Path) -> None:
    film, keys, out = write_wandering(tmp_path / "a.avi", 4), write_masks(tmp_path / "keys", [0]), tmp_path / "out"
    segpipe.propagate(film, out, masks=keys, **PLAIN)
    (out / ".begun" / "masks").mkdir(parents=True)
    (out / ".begun" / "settings.json").write_text("of other settings")
    (out / ".begun" / "masks" / "left.png").write_bytes(b"")
    done = segpipe.propagate(film, out, masks=keys, no_overlay=True, no_confidence=True, frames=(0, 3), **PLAIN)
    assert done["frames"] == 3
    assert sorted(path.name for path in (out / "masks").iterdir()) == [f"{n:06}.png" for n in range(3)]
    assert not (out / "overlay.webm").exists()
    assert not (out / "confidence").exists()


def test_a_film_that_is_cut_short_is_done_as_far_as_it_goes(tmp_path: Path) -> None:
    film = cut_film(write_wandering(tmp_path / "a.avi", 20), 0.6)
    keys, out = write_masks(tmp_path / "keys", [0, 19]), tmp_path / "out"
    given = ["--backbone", "classical", "--input-size", "64", "--workers", "1", "-q", "--no-overlay"]
    assert run_cli(["propagate", str(film), str(out), "--masks", str(keys), *given]) == 4
    rows = table(out / "frames.csv")
    assert 3 < len(rows) < 19
    said = (out / "rejected.jsonl").read_text()
    assert "frames could be read" in said
    assert "key frames that were not reached: 19" in said


def test_odd_sizes_and_uneven_times_are_kept(tmp_path: Path) -> None:
    size = {"height": 67, "width": 91}
    film = write_wandering(tmp_path / "a.webm", 4, height=68, width=92)
    film.write_bytes(with_times(film.read_bytes(), [0, 100, 900, 1000], end=1100))
    keys = write_masks(tmp_path / "keys", [0], height=68, width=92)
    segpipe.propagate(film, tmp_path / "out", masks=keys, no_overlay=True, **PLAIN)
    assert [row["seconds"] for row in table(tmp_path / "out" / "frames.csv")] == ["0.000", "0.100", "0.900", "1.000"]
    folder = tmp_path / "frames"
    folder.mkdir()
    for n in range(3):
        Image.fromarray(np.rot90(wandering(n, **size)[0])).save(folder / f"f{9 + n}.png")
    (tmp_path / "turned").mkdir()
    Image.fromarray(np.ascontiguousarray(np.rot90(wandering(0, **size)[1]))).save(tmp_path / "turned" / "f9.png")
    done = segpipe.propagate(folder, tmp_path / "out2", masks=tmp_path / "turned", **PLAIN)
    assert done["frames"] == 3
    assert read_mask(tmp_path / "out2" / "masks" / "000002.png").shape == (91, 67)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    film, keys = write_wandering(tmp_path / "a.avi", 3), write_masks(tmp_path / "keys", [0], height=60, width=96)
    with pytest.raises(UsageError, match="the mask of frame 0 has 96 x 60 pixels, the frame 96 x 64"):
        segpipe.propagate(film, tmp_path / "out", masks=keys, **PLAIN)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        segpipe.propagate(film, tmp_path / "full", masks=keys, **PLAIN)


def test_the_classes_of_a_run_come_into_every_frame(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    film = write_wandering(tmp_path / "films" / "a.avi", 9)
    settings = {**SMALL, "extract.backbone": "classical", "extract.input_size": 64, "index.frame_step": 4}
    settings |= {"cluster.k": 3, "cluster.patches": 500}
    run = segpipe.run(film, tmp_path / "run", settings=settings, stop="refine")
    done = segpipe.propagate(tmp_path / "run", tmp_path / "out", key_frames="classes", **PLAIN)
    assert done["frames"] == 9
    assert [row["key"] for row in table(tmp_path / "out" / "frames.csv")] == list("100010001")
    whole = read_mask(next((tmp_path / "run" / "masks").rglob("000004.png")))
    assert np.array_equal(read_mask(tmp_path / "out" / "masks" / "000004.png"), whole)
    assert len(table(tmp_path / "out" / "classes.csv")) == 3
    with pytest.raises(UsageError, match="the films of"):
        segpipe.propagate(run.path, tmp_path / "b", key_frames="classes", run_video="b.avi", **PLAIN)

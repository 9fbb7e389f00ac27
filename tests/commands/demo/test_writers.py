"""A sample's folder: whole or not at all, left alone when it is the same, refused when it is something else."""

import multiprocessing
import os
import signal
import warnings
from pathlib import Path
from typing import Any

import pytest

from segpipe.base.errors import UsageError
from segpipe.commands.demo import samples, writers
from segpipe.commands.demo.options import SampleOptions
from segpipe.commands.demo.writers import write_sample


def photos(out: Path, **more: int) -> SampleOptions:
    return SampleOptions(kind="photos", out=out, **{"count": 2, **more})


def test_a_new_or_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "deep/er"):
        done = write_sample(photos(tmp_path / name))
        assert (done.folder, done.earlier) == (tmp_path / name, False)
        found = {path.name for path in (tmp_path / name).iterdir()}
        assert found == {"images", "labels", "classes.txt", "points.csv", "sites.csv", "sample.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "deep"}


def test_the_same_sample_is_left_as_it_is(tmp_path: Path) -> None:
    write_sample(photos(tmp_path / "out"))
    (tmp_path / "out" / "classes.txt").write_text("mine")
    assert write_sample(photos(tmp_path / "out")).earlier
    assert (tmp_path / "out" / "classes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ('{"kind": "photos", "seed": 1, "count": 2}', "holds another sample (kind=photos seed=1 count=2); choose"),
        ('{"kind": "mosaic", "seed": 0}', "holds another sample (kind=mosaic seed=0); choose another folder"),
        ("broken", "holds another sample (unknown); choose another folder, or delete it first"),
        (None, "is not empty and holds no sample; choose another folder"),
    ],
)
def test_other_folders_are_refused(tmp_path: Path, card: str | None, said: str) -> None:
    (tmp_path / "notes.txt" if card is None else tmp_path / "sample.json").write_text(card or "")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError) as raised:
        write_sample(photos(tmp_path))
    assert f"{tmp_path} {said}" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="is a file; choose a folder"):
        write_sample(photos(tmp_path / "out"))


@pytest.mark.parametrize("kind", ["mosaic", "video"])
def test_only_photographs_are_counted(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UsageError, match=f"count=3 is for photos only; leave it out for {kind}"):
        write_sample(SampleOptions.model_validate({"kind": kind, "out": tmp_path / "out", "count": 3}))
    assert not (tmp_path / "out").exists()


def test_what_is_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(folder: Path, **options: int) -> None:
        (folder / "begun").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(samples, "write_photos", draw)
    with pytest.raises(KeyboardInterrupt):
        write_sample(photos(tmp_path / "out"))
    assert not list(tmp_path.iterdir())


def test_every_kind_says_what_to_do_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "write_mosaic", lambda folder, seed: (folder / "mosaic.tif").touch())
    monkeypatch.setattr(samples, "write_dive", lambda folder, seed: (folder / "dive.webm").touch())
    for kind, count in (("photos", 2), ("mosaic", None), ("video", None)):
        done = write_sample(SampleOptions.model_validate({"kind": kind, "out": tmp_path / kind, "count": count}))
        assert (tmp_path / kind / done.images).exists()
    assert writers.PHOTOS == 24


def test_the_same_sample_of_a_faster_process_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = writers._draw

    def slowly(folder: Path, *given: Any) -> None:
        monkeypatch.setattr(writers, "_draw", draw)
        write_sample(photos(tmp_path / "out"))  # another one, from begin to end
        (tmp_path / "out" / "classes.txt").write_text("of the faster")
        draw(folder, *given)

    monkeypatch.setattr(writers, "_draw", slowly)
    assert write_sample(photos(tmp_path / "out")).earlier
    assert (tmp_path / "out" / "classes.txt").read_text() == "of the faster"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_another_sample_of_a_faster_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(folder: Path, *given: Any) -> None:
        monkeypatch.undo()
        write_sample(photos(tmp_path / "out", seed=5))

    monkeypatch.setattr(writers, "_draw", slowly)
    with pytest.raises(UsageError, match="holds another sample"):
        write_sample(photos(tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=_die_drawing, args=(tmp_path / "out",))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1
    write_sample(photos(tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def _die_drawing(out: Path) -> None:
    writers._draw = lambda *given: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    write_sample(photos(out))

"""Frames kept on the disk: decoded once, whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import CorpusError, MachineError
from segpipe.base.geometry import Size
from segpipe.base.runtime import Runtime
from segpipe.commands.pretrain import frame_cache
from segpipe.commands.pretrain.film_frames import SmallFrames
from segpipe.commands.pretrain.frame_cache import FACTS, PIXELS, CachedFilm, cache_frames
from segpipe.records.corpus import Rejected
from tests.helpers.films import cut_film, write_film
from tests.helpers.full_disk import room_for

FRAMES = np.random.default_rng(0).integers(0, 256, (12, 6, 8, 3), np.uint8)


class Drawn(SmallFrames):
    """A film that needs no decoder."""

    key = "drawn"

    def __init__(self, count: int = 12, stop: int | None = None) -> None:
        self.film, self.size, self.count, self.stop = "dive.avi", Size(6, 8), count, stop

    def __len__(self) -> int:
        return self.count

    def __iter__(self):  # type: ignore[no-untyped-def]
        yield Rejected("x.png", "no picture")
        for place in range(self.count):
            if place == self.stop:
                raise KeyboardInterrupt
            yield FRAMES[place]


def cached(film: SmallFrames, folder: Path) -> CachedFilm:
    return cache_frames(film, folder, Runtime())


def never(*_: object) -> None:
    raise AssertionError("decoded again")


def test_the_cache_holds_the_frames_of_the_film(tmp_path: Path) -> None:
    found = cached(Drawn(), tmp_path / "a" / "frames")
    assert np.array_equal(found.pixels, FRAMES)
    assert found.rejected == (Rejected("x.png", "no picture"),)
    assert not found.pixels.flags.writeable


def test_a_film_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cached(Drawn(), tmp_path / "frames")
    monkeypatch.setattr(frame_cache, "_decode", never)
    again = cached(Drawn(), tmp_path / "frames")
    assert again.rejected == first.rejected
    assert np.array_equal(again.pixels, first.pixels)


def test_another_film_replaces_it(tmp_path: Path) -> None:
    cached(Drawn(), tmp_path / "frames")
    other = Drawn(9)
    other.key = "other"
    found = cached(other, tmp_path / "frames")
    assert found.key == "other"
    assert np.array_equal(found.pixels, FRAMES[:9])


@pytest.mark.parametrize("damage", ["cut", "facts", "other"])
def test_what_is_damaged_is_made_anew(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "frames"
    cached(Drawn(), folder)
    if damage == "cut":
        (folder / PIXELS).write_bytes((folder / PIXELS).read_bytes()[:-1])
    else:
        (folder / FACTS).write_text("{" if damage == "facts" else '{"key": 3}')
    assert np.array_equal(cached(Drawn(), folder).pixels, FRAMES)


def test_what_is_interrupted_leaves_nothing_that_is_taken_for_whole(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    with pytest.raises(KeyboardInterrupt):
        cached(Drawn(stop=5), folder)
    assert list(folder.iterdir()) == []
    assert len(cached(Drawn(), folder).pixels) == 12


def test_a_damaged_film_is_used_as_far_as_it_goes_and_that_is_kept(tmp_path: Path) -> None:
    path = cut_film(write_film(tmp_path / "dive.avi", [40]), 0.6)
    film = SmallFrames(str(path), side=24, frames=None, workers=1)
    first = cached(film, tmp_path / "frames")
    assert 5 < len(first.pixels) < 40
    assert first.pixels.shape[1:] == (24, 32, 3)
    assert "dive.avi" in first.rejected[0].path
    assert cached(film, tmp_path / "frames").rejected == first.rejected


def test_too_little_room_is_said_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(frame_cache.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(MachineError, match=r"12 frames of 8 x 6 pixels need .* GB and .* GB are free") as caught:
        cached(Drawn(), tmp_path / "frames")
    assert "film_side" in str(caught.value)
    assert list((tmp_path / "frames").iterdir()) == []


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with room_for(500), pytest.raises(MachineError, match="frames: the file would grow beyond"):
        cached(Drawn(), tmp_path / "frames")
    assert not (tmp_path / "frames" / FACTS).exists()


def test_a_film_without_a_usable_frame_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"not one frame can be used \(x.png: no picture\)"):
        cached(Drawn(0), tmp_path / "frames")

"""Frames of films and folders keep their numbers and times, whatever the file is like."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Size
from segpipe.images.numbered_frames import FilmFrames, FolderFrames, NumberedFrame, count_digits, open_frames
from segpipe.images.video import BadVideo
from segpipe.records.corpus import Rejected
from tests.helpers.films import cut_film, write_film
from tests.helpers.odd_films import with_times


def frames_of(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for number, name in enumerate(names):
        Image.fromarray(np.full((20, 30, 3), 10 * number, np.uint8)).save(folder / name)
    return folder


def test_a_film_is_read_from_any_frame_on(tmp_path: Path) -> None:
    film = FilmFrames(write_film(tmp_path / "a.avi", [6, 6]), stop=9)
    assert (len(film), film.size, film.fps, film.counted) == (9, Size(48, 64), 10.0, True)
    read = [each for each in film.read(7) if isinstance(each, NumberedFrame)]
    assert [(each.index, each.seconds) for each in read] == [(7, pytest.approx(0.7)), (8, pytest.approx(0.8))]
    assert read[0].size == film.size
    assert film.number_of("000003") is None


def test_seconds_are_those_of_the_time_stamps(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.webm", [4])
    path.write_bytes(with_times(path.read_bytes(), [0, 100, 900, 1000], end=1100))
    seconds = [each.seconds for each in FilmFrames(path).read(0) if isinstance(each, NumberedFrame)]
    assert seconds == pytest.approx([0, 0.1, 0.9, 1.0])


def test_what_is_missing_of_a_film_is_said_at_its_end(tmp_path: Path) -> None:
    path = cut_film(write_film(tmp_path / "a.avi", [40]), 0.6)
    *frames, last = FilmFrames(path).read(0)
    assert isinstance(last, Rejected)
    assert 5 < len(frames) < 40
    (tmp_path / "b.mp4").write_bytes(b"no film")
    with pytest.raises(BadVideo):
        FilmFrames(tmp_path / "b.mp4")


def test_a_folder_is_read_as_people_number_frames(tmp_path: Path) -> None:
    folder = frames_of(tmp_path / "f", ["frame10.png", "frame9.png", "frame1.png"])
    frames = FolderFrames(str(folder), workers=2)
    values = [int(each.rgb[0, 0, 0]) for each in frames.read(0) if isinstance(each, NumberedFrame)]
    assert values == [20, 10, 0]
    assert (frames.number_of("frame9"), frames.number_of("frame2"), len(frames), frames.fps) == (1, None, 3, 0.0)
    later = [each for each in FolderFrames(str(folder), workers=1, stop=2).read(1) if isinstance(each, NumberedFrame)]
    assert [(each.index, each.seconds) for each in later] == [(1, None)]


def test_a_damaged_frame_keeps_its_number(tmp_path: Path) -> None:
    folder = frames_of(tmp_path / "f", ["0.png", "1.png", "2.png"])
    (folder / "1.png").write_bytes(b"")
    found = list(FolderFrames(str(folder), workers=1).read(0))
    assert [each.index if isinstance(each, NumberedFrame) else each.path for each in found] == [0, "1.png", 2]
    for name in ("0.png", "2.png"):
        (folder / name).write_bytes(b"")
    with pytest.raises(CorpusError, match="not one of the 3 images"):
        FolderFrames(str(folder), workers=1)


def test_frames_have_names_and_what_is_no_frame_is_listed(tmp_path: Path) -> None:
    folder = frames_of(tmp_path / "f", ["a9.png"])
    rgba = np.full((20, 30, 4), 255, np.uint8)
    rgba[:5, :, 3] = 0
    Image.fromarray(rgba).save(folder / "a10.png")
    (folder / "a11.png").symlink_to(folder / "gone.png")
    frames = FolderFrames(str(folder), workers=1)
    read = [each for each in frames.read(0) if isinstance(each, NumberedFrame)]
    assert [each.name for each in read] == ["a9", "a10"]
    assert not read[1].rgb[:5].any()
    assert read[1].rgb[5:].all()
    assert [each.path for each in frames.rejected] == ["a11.png"]
    (frame,) = FilmFrames(write_film(tmp_path / "dive.avi", [1])).read(0)
    assert isinstance(frame, NumberedFrame)
    assert frame.name == "dive/000000"


def test_samples_are_spread_over_the_frames(tmp_path: Path) -> None:
    folder = frames_of(tmp_path / "f", [f"{n}.png" for n in range(8)])
    assert [int(rgb[0, 0, 0]) for rgb in FolderFrames(str(folder), workers=1).sample(2)] == [20, 60]
    assert len(list(FilmFrames(write_film(tmp_path / "a.avi", [12])).sample(3))) == 3


def test_the_state_is_another_one_where_a_file_was_changed(tmp_path: Path) -> None:
    folder = frames_of(tmp_path / "f", ["0.png", "1.png"])
    before = FolderFrames(str(folder), workers=1).state()
    assert before == FolderFrames(str(folder), workers=1).state()
    cv2.imwrite(str(folder / "1.png"), np.zeros((20, 30), np.uint8))
    assert FolderFrames(str(folder), workers=1).state() != before


def test_a_name_opens_what_it_means(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.webm", [3])
    assert isinstance(open_frames(str(film), workers=1), FilmFrames)
    assert isinstance(open_frames(str(frames_of(tmp_path / "f", ["0.png"])), workers=1), FolderFrames)
    with pytest.raises(UsageError):
        open_frames(str(tmp_path / "none.txt"), workers=1)
    assert (count_digits(0), count_digits(1_234_567)) == (6, 7)

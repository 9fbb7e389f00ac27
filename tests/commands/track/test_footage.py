"""Frames of films and folders: numbers, times, scenes, sizes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.base.errors import SegpipeError, UsageError
from segpipe.commands.track.footage import FilmFrame, Footage, open_footage
from segpipe.images.sources import SourceImage
from segpipe.records.corpus import Rejected
from tests.helpers.films import cut_film, scene_frames, write_film
from tests.helpers.odd_films import with_times


def opened(video: Path, **more: object) -> Footage:
    given: dict = {"frames": None, "cuts": 27.0, "fps": None, "workers": 1, **more}
    return open_footage(str(video), **given)


def test_a_film_has_numbers_times_and_cuts(tmp_path: Path) -> None:
    footage = opened(write_film(tmp_path / "dive.avi", [5, 4, 3], fps=10))
    shots = [shot for shot in footage if isinstance(shot, FilmFrame)]
    assert [shot.number for shot in shots] == list(range(12))
    assert [shot.number for shot in shots if shot.cut] == [5, 9]
    assert np.allclose([shot.seconds for shot in shots], np.arange(12) / 10)
    assert shots[3].name == "dive/000003"
    assert (footage.fps, len(footage), footage.digits) == (10, 12, 6)


def test_no_cuts_are_looked_for_where_none_are_wanted(tmp_path: Path) -> None:
    footage = opened(write_film(tmp_path / "dive.avi", [3, 3]), cuts=0)
    assert not any(shot.cut for shot in footage if isinstance(shot, FilmFrame))


def test_a_range_of_a_film_keeps_its_numbers(tmp_path: Path) -> None:
    footage = opened(write_film(tmp_path / "dive.avi", [12]), frames=(4, 7))
    assert [shot.number for shot in footage if isinstance(shot, FilmFrame)] == [4, 5, 6]


def test_times_are_those_of_the_file_where_the_rate_varies(tmp_path: Path) -> None:
    path = write_film(tmp_path / "odd.webm", [6], fps=50)
    times = [0, 30, 200, 240, 900, 1000]
    path.write_bytes(with_times(path.read_bytes(), times, end=1100))
    footage = opened(path)
    assert [round(1000 * shot.seconds) for shot in footage if isinstance(shot, FilmFrame)] == times


def test_what_a_damaged_film_still_holds_is_used(tmp_path: Path) -> None:
    footage = opened(cut_film(write_film(tmp_path / "dive.avi", [40]), 0.6))
    entries = list(footage)
    rejected = [entry for entry in entries if isinstance(entry, Rejected)]
    assert len(entries) - len(rejected) > 5
    assert "dive.avi" in rejected[0].path


def test_a_folder_is_read_in_frame_order_and_odd_ones_are_left_out(tmp_path: Path) -> None:
    for i, rgb in enumerate(scene_frames([6, 5])):
        Image.fromarray(rgb).save(tmp_path / f"frame{i}.png")
    Image.fromarray(np.full((20, 20, 3), 9, np.uint8)).save(tmp_path / "frame4.png")
    (tmp_path / "frame7.png").write_bytes(b"no picture")
    footage = opened(tmp_path, fps=5)
    entries = list(footage)
    shots = [entry for entry in entries if isinstance(entry, FilmFrame)]
    assert [shot.name for shot in shots] == [f"frame{i}" for i in (0, 1, 2, 3, 5, 6, 8, 9, 10)]
    assert [shot.number for shot in shots] == [0, 1, 2, 3, 5, 6, 8, 9, 10]
    assert [shot.seconds for shot in shots[:2]] == [0, 0.2]
    assert [shot.number for shot in shots if shot.cut] == [6]
    reasons = [entry.reason for entry in entries if isinstance(entry, Rejected)]
    assert "20 x 20 pixels, the first frame has 64 x 48" in reasons[0]
    assert len(reasons) == 2


def test_transparent_pixels_are_black(tmp_path: Path) -> None:
    rgba = np.full((20, 30, 4), 255, np.uint8)
    rgba[:5, :, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "a.png")
    footage = opened(tmp_path)
    (shot,) = (shot for shot in footage if isinstance(shot, FilmFrame))
    assert not shot.rgb[:5].any()
    assert shot.rgb[5:].all()


def test_frames_that_are_not_there_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"frames=3 5: .* holds 1 frames"):
        opened(tmp_path, frames=(3, 5))
    with pytest.raises(SegpipeError, match="nowhere"):
        opened(tmp_path / "nowhere.mp4")


def test_an_image_of_no_film_has_no_time() -> None:
    assert SourceImage("a", np.zeros((2, 2, 3), np.uint8), None).seconds == 0

"""Frames of films and folders as they are read once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.base.errors import SegpipeError, UsageError
from segpipe.base.geometry import Size
from segpipe.commands.pretrain.film_frames import SmallFrames, kept_size
from segpipe.records.corpus import Rejected
from tests.helpers.films import scene_frames, write_film


def opened(video: Path, *, side: int = 300, frames: tuple[int, int] | None = None) -> SmallFrames:
    return SmallFrames(str(video), side=side, frames=frames, workers=1)


def shots(film: SmallFrames) -> list[np.ndarray]:
    return [entry for entry in film if not isinstance(entry, Rejected)]


def test_frames_keep_their_shape_and_are_never_enlarged() -> None:
    assert kept_size(Size(1080, 1920), 300) == Size(300, 533)
    assert kept_size(Size(1920, 1080), 300) == Size(533, 300)
    assert kept_size(Size(48, 64), 300) == Size(48, 64)
    assert kept_size(Size(3, 4000), 2) == Size(2, 2667)


def test_a_range_of_a_film_in_order_made_smaller(tmp_path: Path) -> None:
    film = opened(write_film(tmp_path / "dive.avi", [6, 4, 5]), side=24, frames=(2, 11))
    found = shots(film)
    assert len(film) == len(found) == 9
    assert {shot.shape for shot in found} == {(24, 32, 3)}
    wanted = scene_frames([6, 4, 5])[2:11]
    assert all(abs(int(shot[-1, -1, 0]) - int(rgb[-1, -1, 0])) < 12 for shot, rgb in zip(found, wanted, strict=True))


def test_a_folder_is_read_in_frame_order_and_odd_ones_are_left_out(tmp_path: Path) -> None:
    for i in range(11):
        Image.fromarray(np.full((20, 30, 3), 20 * i, np.uint8)).save(tmp_path / f"frame{i}.png")
    Image.fromarray(np.full((20, 20, 3), 9, np.uint8)).save(tmp_path / "frame4.png")
    (tmp_path / "frame7.png").write_bytes(b"no picture")
    (tmp_path / "frame8b.png").symlink_to(tmp_path / "gone.png")
    entries = list(opened(tmp_path))
    assert [int(entry[0, 0, 0]) // 20 for entry in entries if not isinstance(entry, Rejected)] == [
        *(0, 1, 2, 3, 5, 6, 8, 9, 10)
    ]
    reasons = [entry.reason for entry in entries if isinstance(entry, Rejected)]
    assert "20 x 20 pixels, the first frame has 30 x 20" in reasons[1]
    assert "a link that leads to no file" in reasons[0]
    assert len(reasons) == 3


def test_gray_deep_and_transparent_pictures_are_frames_too(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 30, 4), 90, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((20, 30), 200, np.uint8)).save(tmp_path / "b.png")
    Image.fromarray(np.linspace(0, 65535, 600).reshape(20, 30).astype(np.uint16)).save(tmp_path / "c.png")
    found = shots(opened(tmp_path))
    assert [shot.shape for shot in found] == [(20, 30, 3)] * 3
    assert (found[1] == 200).all()


def test_the_key_tells_files_sizes_and_ranges_apart(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / f"{name}.png")
    keys = {opened(tmp_path).key, opened(tmp_path, side=24).key, opened(tmp_path, frames=(0, 2)).key}
    assert opened(tmp_path).key in keys
    Image.fromarray(np.zeros((20, 31, 3), np.uint8)).save(tmp_path / "b.png")
    assert len({*keys, opened(tmp_path).key}) == 4


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SegpipeError, match="no such file"):
        opened(tmp_path / "none.mp4")
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"frames=3 5: .* holds 1 frames"):
        opened(tmp_path, frames=(3, 5))

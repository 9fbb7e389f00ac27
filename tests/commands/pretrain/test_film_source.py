"""A film as what DoRA learns from: its key, its clips, the part that is shown beforehand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.base.errors import SegpipeError, UsageError
from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.commands.pretrain.film_source import FilmClips
from segpipe.commands.pretrain.options import PretrainOptions
from tests.helpers.films import write_film
from tests.helpers.tiny_headed import NORM

SMALL = {"clip_frames": 2, "clip_spacing": 3, "global_size": 64, "local_size": 32, "local_crops": 2, "film_side": 32}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("frames")
    for i in range(20):
        Image.fromarray(np.full((40, 60, 3), 10 * i, np.uint8)).save(made / f"frame{i}.png")
    return made


def chosen(path: Path, **given: object) -> PretrainOptions:
    return make(PretrainOptions, {"images": str(path), "out": "own", "method": "dora", **SMALL, **given})


def opened(path: Path, **given: object) -> FilmClips:
    options = chosen(path, **given)
    return FilmClips(options, NORM, frames=options.frames)


def test_a_folder_of_frames_becomes_clips(folder: Path, tmp_path: Path) -> None:
    film = opened(folder)
    prepared = film.prepare(tmp_path / "cache", Runtime())
    assert prepared.count == 20 - 2 * 3
    assert not prepared.rejected
    method = prepared.method(16, 10, "cpu")
    assert len(method) == prepared.count
    frames, crops, _ = method.views(0, np.random.default_rng(0))
    assert frames.shape == (2, 3, 64, 64)
    assert crops.shape == (1, 2, 3, 32, 32)
    assert film.bytes_needed() == 20 * 3 * 32 * 48
    assert (tmp_path / "cache" / "frames.u8").stat().st_size == 20 * 3 * 32 * 48


def test_a_film_says_what_it_takes(tmp_path: Path) -> None:
    film = opened(write_film(tmp_path / "dive.avi", [10]))
    assert film.bytes_needed() == 10 * 3 * 32 * 43
    assert film.prepare(tmp_path / "cache", Runtime()).count == 10 - 2 * 2  # 3 apart would span more than half of it


def test_the_key_holds_what_decides_the_items(folder: Path) -> None:
    key = opened(folder).key
    assert len({key, opened(folder, clip_frames=3).key, opened(folder, clip_spacing=4).key}) == 3
    assert opened(folder, lr=1e-3, objects=2).key == key


def test_the_sheet_of_samples_needs_the_beginning_alone(folder: Path, tmp_path: Path) -> None:
    few = opened(folder, frames=(3, 20)).few(6)
    assert few.prepare(tmp_path / "cache", Runtime()).count == 2 * 2 * 3 - 2 * 3


def test_what_cannot_be_a_film_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="clip_frames=30: the film holds 20 frames"):
        opened(folder, clip_frames=30).prepare(tmp_path / "cache", Runtime())
    with pytest.raises(SegpipeError, match="no such file"):
        opened(tmp_path / "none.mp4")
    (tmp_path / "bad.mp4").write_bytes(b"no film")
    with pytest.raises(SegpipeError, match=r"bad\.mp4"):
        opened(tmp_path / "bad.mp4")

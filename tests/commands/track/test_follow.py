"""From frames to masks, lines and a video."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import CorpusError
from segpipe.base.runtime import Runtime
from segpipe.commands.track.follow import FrameJournal, Journey, follow
from segpipe.commands.track.footage import open_footage
from segpipe.commands.track.lookout import Lookout
from segpipe.images.video import VideoReader
from segpipe.ops.tracking.appearance import Discovery, PatchFacets
from segpipe.ops.tracking.tracks import Following
from segpipe.store.masks import read_mask
from tests.helpers.films import write_film

PATCH = 8


def look(pictures: list[np.ndarray]) -> list[PatchFacets]:
    """A network whose tokens are the colors of patches, and whose heads attend to what differs from the rest."""
    found = []
    for rgb in pictures:
        rows, cols = rgb.shape[0] // PATCH, rgb.shape[1] // PATCH
        cells = rgb.reshape(rows, PATCH, cols, PATCH, 3).mean(axis=(1, 3)).reshape(-1, 3).astype(np.float32) + 1
        away = np.abs(cells - np.median(cells, axis=0)).sum(axis=1) + 0.01
        attention = np.stack([away / away.sum(), away**2 / (away**2).sum()]).astype(np.float32)
        found.append(PatchFacets(attention, cells, cells, cells))
    return found


def journey(home: Path, **more: object) -> Journey:
    given: dict = {"side": 48, "how": Discovery(objects=1), "rules": Following(), "overlay": True, **more}
    return Journey(home, Lookout(PATCH, "none", 2, look), **given)


def walked(film: Path, home: Path, **more: object) -> tuple:
    (home / "masks").mkdir(parents=True, exist_ok=True)
    footage = open_footage(str(film), frames=None, cuts=27.0, fps=None, workers=1)
    return follow(footage, journey(home, **more), Runtime("cpu", workers=2))


def test_a_square_is_followed_through_two_scenes(tmp_path: Path) -> None:
    assert walked(write_film(tmp_path / "a.avi", [7, 6]), tmp_path / "home") == ()
    journal = FrameJournal(tmp_path / "home")
    lines = list(journal.read())
    assert len(journal) == len(lines)
    assert list(journal.read(1, 3)) == lines[1:3]
    assert [line.frame for line in lines] == list(range(13))
    assert [[seen.track for seen in line.tracks] for line in lines] == [[1]] * 7 + [[2]] * 6
    for i, line in enumerate(lines):
        left = 2 + 3 * (i if i < 7 else i - 7)
        (seen,) = line.tracks
        assert abs(seen.box[0] - left) <= PATCH
        assert abs(seen.box[2] - 16) <= 2 * PATCH
        mask = read_mask(tmp_path / "home" / "masks" / f"{i:06}.png")
        assert mask.shape == (48, 64)
        assert (mask == seen.track).sum() == seen.area
        assert mask[16, left + 8] == seen.track
    assert len(list(VideoReader(tmp_path / "home" / "overlay.webm"))) == 13


def test_no_overlay_is_written_where_none_is_wanted(tmp_path: Path) -> None:
    walked(write_film(tmp_path / "a.avi", [3]), tmp_path / "home", overlay=False)
    assert not (tmp_path / "home" / "overlay.webm").exists()


def test_a_film_without_a_usable_frame_is_refused(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "a.png").write_bytes(b"none")
    with pytest.raises(CorpusError, match=r"not one of the 1 images of .* can be read"):
        walked(tmp_path / "frames", tmp_path / "home")

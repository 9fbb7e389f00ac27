from functools import partial
from operator import attrgetter, methodcaller
from pathlib import Path

import numpy as np
import pytest

from segpipe.base.guarded import Gone, Guards
from segpipe.images.guarded_video import VIDEO_MEMORY, ask_there, frames_there, open_there
from segpipe.images.video import BadVideo, VideoReader
from tests.helpers import misbehaving
from tests.helpers.films import write_film


def test_frames_are_those_that_are_read_here(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.avi", [4, 3])
    here = VideoReader(film, start=1)
    with Guards(VIDEO_MEMORY) as guards, guards.one() as guard:
        open_there(guard, partial(VideoReader, film, start=1))
        assert ask_there(guard, attrgetter("info", "start")) == (here.info, 1)
        there = list(frames_there(guard))
        assert ask_there(guard, methodcaller("shortfall")) == ""
    for one, other in zip(here, there, strict=True):
        assert (one.index, one.seconds) == (other.index, other.seconds)
        np.testing.assert_array_equal(one.rgb, other.rgb)


def test_what_is_no_video_and_what_kills_its_decoder(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("ffconcat version 1.0")
    with Guards(VIDEO_MEMORY) as guards, guards.one() as guard:
        with pytest.raises(BadVideo):
            open_there(guard, partial(VideoReader, tmp_path / "a.mp4"))
        with pytest.raises(Gone, match="crashed"):
            open_there(guard, misbehaving.crash_at)

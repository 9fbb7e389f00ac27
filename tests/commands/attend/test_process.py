"""Folders and videos of maps: what is held, what is rejected, what is left behind."""

import weakref

import numpy as np
import pytest

from segpipe.base.errors import CorpusError
from segpipe.base.runtime import Runtime
from segpipe.commands.attend.process import attend_folder, attend_video
from segpipe.images.sources import SourceImage
from segpipe.images.video import VideoReader
from segpipe.records.corpus import Rejected
from tests.helpers.red_view import Source, output, picture, red_view


def test_pictures_are_let_go(tmp_path):
    """Whatever the number of pictures, only a few are alive at a time."""
    met = []
    most = 0

    class Many(Source):
        def __iter__(self):
            nonlocal most
            for i in range(300):
                rgb = np.zeros((16, 16, 3), np.uint8)
                met.append(weakref.ref(rgb))
                most = max(most, sum(one() is not None for one in met))
                yield SourceImage(str(i), rgb, None)

    source = Many([None] * 300)
    runtime = Runtime(workers=2)
    done = attend_video(source, [red_view()], tmp_path / "a.avi", output(), runtime, fps=10, side=16, batch=4)
    assert done.pictures == 300
    assert most <= 3 * 4 + 2 * 2  # what waits to be drawn, a batch in hand, its predecessor


def test_frames_of_another_size_are_put_aside_with_a_way_out(tmp_path):
    source = Source([picture("0"), picture("1", 16, 16), picture("2")])
    done = attend_video(source, [red_view()], tmp_path / "a.avi", output(), Runtime(), fps=5, side=40, batch=2)
    assert done.pictures == len(list(VideoReader(tmp_path / "a.avi"))) == 2
    (item,) = done.rejected
    assert item.path == "1"
    assert item.reason == "16 x 16 pixels, the video has 48 x 32; --resize 48x32 makes them alike"


def test_nothing_usable_leaves_nothing(tmp_path):
    source = Source([Rejected("a.jpg", "empty file")])
    with pytest.raises(CorpusError, match=r"not one picture could be used \(a.jpg: empty file\)"):
        attend_video(source, [red_view()], tmp_path / "a.avi", output(), Runtime(), fps=5, side=40, batch=2)
    with pytest.raises(CorpusError, match="not one picture"):
        attend_folder(source, [red_view()], tmp_path / "out", output(), Runtime(), side=40, batch=2)
    assert not (tmp_path / "a.avi").exists()

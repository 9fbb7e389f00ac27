"""Videos that are written, read again by OpenCV's FFmpeg."""

import numpy as np
import pytest

from segpipe.base.errors import CorpusError, MachineError, UsageError
from segpipe.images.video import VideoReader
from segpipe.images.video_writing import CODECS, write_video


def frame(i, height=48, width=64):
    """A gray whose brightness says the frame's number, with a bright corner at the top left."""
    rgb = np.full((height, width, 3), 5 + 6 * i, np.uint8)
    rgb[: height // 4, : width // 4] = 255
    return rgb


def number(rgb):
    """The number that `frame` wrote; OpenCV's way to YUV and back makes it up to 3 levels darker."""
    return round((float(rgb[rgb.shape[0] // 2 :, rgb.shape[1] // 2 :].mean()) - 3.5) / 6)


@pytest.mark.parametrize("ending", CODECS)
@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63)])
def test_what_is_written_is_read_again(tmp_path, ending, height, width):
    path = tmp_path / f"a{ending}"
    with write_video(path, fps=12.5) as append:
        for i in range(20):
            append(frame(i, height, width))
        assert not path.exists()
    reader = VideoReader(path)
    assert reader.info.fps == pytest.approx(12.5)
    assert (reader.info.height, reader.info.width) == (48, 64)  # odd sides grow by one
    assert [number(item.rgb) for item in reader] == list(range(20))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def write_then_fail(path):
    with write_video(path, fps=10) as append:
        append(frame(0))
        raise RuntimeError("half way")


def write_all(path, pictures):
    with write_video(path, fps=10) as append:
        for rgb in pictures:
            append(rgb)


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    path = tmp_path / "a.webm"
    with pytest.raises(RuntimeError, match="half way"):
        write_then_fail(path)
    with pytest.raises(CorpusError, match="no frame to write"):
        write_all(path, [])
    with pytest.raises(CorpusError, match="32 x 32 pixels among frames of 64 x 48"):
        write_all(path, [frame(0), frame(1, 32, 32)])
    with pytest.raises(UsageError, match=r"a\.gif: videos of this kind are not written; end the name in \.webm"):
        write_all(tmp_path / "a.gif", [frame(0)])
    assert list(tmp_path.iterdir()) == []


def test_a_writer_replaces_an_older_video_only_at_the_end(tmp_path):
    path = tmp_path / "a.avi"
    path.write_bytes(b"old")
    with write_video(path, fps=10) as append:
        append(frame(0))
        assert path.read_bytes() == b"old"
    assert len(VideoReader(path)) == 1


@pytest.mark.parametrize("ending", CODECS)
def test_a_picture_stands_as_long_as_it_is_told(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    with write_video(path, fps=5) as append:
        for i, times in enumerate((1, 4, 2, 3)):
            append(frame(i), times)
    shown = {}
    for item in VideoReader(path):
        shown.setdefault(number(item.rgb), item.seconds)
    assert shown == pytest.approx({0: 0.0, 1: 0.2, 2: 1.0, 3: 1.4}, abs=0.001)


def test_a_side_that_the_codec_cannot_hold_is_refused(tmp_path):
    with pytest.raises(MachineError, match="a video of 16384 x 2 pixels, 10 frames a second"):
        write_all(tmp_path / "a.webm", [np.zeros((1, 16383, 3), np.uint8)])
    assert list(tmp_path.iterdir()) == []

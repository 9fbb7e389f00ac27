"""Videos against files made by hand: a Motion JPEG AVI from its specification, boxes of an MP4 changed byte by byte."""

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segpipe.images.video import BadVideo, VideoReader, is_video, probe_video, sample_frames
from segpipe.images.video_writing import CODECS, write_video
from tests.helpers.odd_films import turned


def frame(i, height=48, width=64):
    """A gray whose brightness says the frame's number, with a bright corner at the top left."""
    rgb = np.full((height, width, 3), 5 + 6 * i, np.uint8)
    rgb[: height // 4, : width // 4] = 255
    return rgb


def number(rgb):
    """The number that `frame` wrote; OpenCV's way to YUV and back makes it up to 3 levels darker."""
    return round((float(rgb[rgb.shape[0] // 2 :, rgb.shape[1] // 2 :].mean()) - 3.5) / 6)


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def write_avi(path, pictures, fps):
    """RIFF AVI of JPEGs that Pillow made; nothing of OpenCV or FFmpeg."""
    height, width = pictures[0].shape[:2]
    jpegs = []
    for rgb in pictures:
        buffer = io.BytesIO()
        Image.fromarray(rgb).save(buffer, "JPEG", quality=95)
        jpegs.append(buffer.getvalue())
    count, rate = len(jpegs), round(1000 * fps)
    main = struct.pack("<14I", round(1e6 / fps), 0, 0, 0x10, count, 0, 1, 0, width, height, 0, 0, 0, 0)
    stream = b"vidsMJPG" + struct.pack(
        "<IHHIIIIIIIIhhhh", 0, 0, 0, 0, 1000, rate, 0, count, 0, 0, 0, 0, 0, width, height
    )
    bitmap = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 3 * width * height, 0, 0, 0, 0)
    head = b"hdrl" + chunk(b"avih", main) + chunk(b"LIST", b"strl" + chunk(b"strh", stream) + chunk(b"strf", bitmap))
    movie, index = b"movi", b""
    for jpeg in jpegs:
        index += b"00dc" + struct.pack("<III", 0x10, len(movie), len(jpeg))
        movie += chunk(b"00dc", jpeg)
    content = b"AVI " + chunk(b"LIST", head) + chunk(b"LIST", movie) + chunk(b"idx1", index)
    path.write_bytes(chunk(b"RIFF", content))


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 40), st.sampled_from([5.0, 12.5, 24.0, 29.97]), st.integers(16, 70), st.integers(16, 70))
def test_a_video_of_another_hand_is_read_frame_by_frame(tmp_path_factory, count, fps, height, width):
    path = tmp_path_factory.mktemp("v") / "a.avi"
    write_avi(path, [frame(i, height, width) for i in range(count)], fps)
    reader = VideoReader(path)
    assert (reader.info.height, reader.info.width) == (height, width)
    assert reader.info.fps == pytest.approx(fps, abs=0.01)
    assert len(reader) == count
    found = list(reader)
    assert [number(item.rgb) for item in found] == [item.index for item in found] == list(range(count))
    np.testing.assert_allclose([item.seconds for item in found], np.arange(count) / fps, atol=0.002)
    assert reader.shortfall() == ""


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 30), st.integers(1, 40), st.integers(1, 7))
def test_a_range_in_steps_is_that_of_a_list(tmp_path_factory, start, stop, step):
    path = tmp_path_factory.mktemp("v") / "a.avi"
    write_avi(path, [frame(i) for i in range(30)], 10.0)
    reader = VideoReader(path, start=start, stop=stop, step=step)
    expected = list(range(30))[start:stop:step]
    assert len(reader) == len(expected)
    assert [number(item.rgb) for item in reader] == expected
    assert reader.shortfall() == ""


def test_a_sample_is_spread_over_the_range(tmp_path):
    write_avi(tmp_path / "a.avi", [frame(i) for i in range(40)], 10.0)
    found = [number(item.rgb) for item in sample_frames(tmp_path / "a.avi", 4)]
    assert found == [5, 15, 25, 35]
    found = [number(item.rgb) for item in sample_frames(tmp_path / "a.avi", 4, start=20)]
    assert found == [22, 27, 32, 37]
    assert len(list(sample_frames(tmp_path / "a.avi", 100, start=30))) == 10


def test_a_broken_tail_is_told(tmp_path):
    write_avi(tmp_path / "a.avi", [frame(i) for i in range(40)], 10.0)
    content = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    reader = VideoReader(tmp_path / "cut.avi")
    found = list(reader)
    assert [number(item.rgb) for item in found][:15] == list(range(15))
    assert len(found) < 30
    assert reader.shortfall() == (
        f"{reader.decoded} of 40 frames could be read; the rest of the file is damaged or missing"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "there is no such file"), (b"", "not a video"), (b"no video at all" * 99, "not a video")],
)
def test_what_is_no_video_says_so(tmp_path, capfd, content, reason):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadVideo, match=f"a.mp4: .*{reason}"):
        probe_video(path)
    assert capfd.readouterr().err == ""  # FFmpeg's own lines stay away


def test_a_video_without_frames(tmp_path):
    with write_video(tmp_path / "a.mp4", fps=10) as append:
        append(frame(0))
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    at = content.index(b"mdat")
    (size,) = struct.unpack(">I", content[at - 4 : at])
    content[at + 4 : at - 4 + size] = bytes(size - 8)
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(BadVideo, match="no frame that can be decoded"):
        VideoReader(tmp_path / "a.mp4")


def test_rotation_is_applied(tmp_path):
    """A matrix of 90 degrees written into the track header, as telephones do."""
    path = tmp_path / "a.mp4"
    with write_video(path, fps=10) as append:
        for i in range(5):
            append(frame(i))
    path.write_bytes(turned(path.read_bytes(), height=48))
    reader = VideoReader(path)
    assert (reader.info.height, reader.info.width) == (64, 48)
    rgb = next(iter(reader)).rgb
    assert rgb[:8, -8:].min() > 200  # the corner of the top left, turned clockwise
    assert rgb[-8:, :8].min() < 200


def grown(content, path, old, new):
    """An MP4 whose box at `path` (names from the outside in) holds `new` instead of `old`; sizes follow."""
    at, ends = 0, []
    for name in path:
        at = content.index(name, at)
        ends.append(at - 4)
        at += 4
    assert content[at : at + len(old)] == old
    out = bytearray(content[:at] + new + content[at + len(old) :])
    for place in ends:
        (size,) = struct.unpack(">I", out[place : place + 4])
        out[place : place + 4] = struct.pack(">I", size + len(new) - len(old))
    return bytes(out)


def test_times_are_right_where_the_rate_varies(tmp_path):
    path = tmp_path / "a.mp4"
    with write_video(path, fps=10) as append:
        for i in range(10):
            append(frame(i))
    content = path.read_bytes()
    at = content.index(b"stts") + 4
    _, entries, count, delta = struct.unpack(">4I", content[at : at + 16])
    assert (entries, count) == (1, 10)
    varied = struct.pack(">6I", 0, 2, 5, delta, 5, delta // 2)  # the second half twice as fast
    path.write_bytes(
        grown(content, [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"], content[at : at + 16], varied)
    )
    found = list(VideoReader(path))
    assert [number(item.rgb) for item in found] == list(range(10))
    expected = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7]
    np.testing.assert_allclose([item.seconds for item in found], expected, atol=0.002)


def test_a_transport_stream_is_read_whole(tmp_path, capfd):
    """As action cameras and decoders of broadcasts write it: `.ts`, MPEG-4 in packets of 188 bytes."""
    path = tmp_path / "dive.ts"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 48))
    for i in range(20):
        writer.write(frame(i)[..., ::-1])
    writer.release()
    capfd.readouterr()  # the writer says that it chose a tag itself
    assert path.read_bytes()[:189:188] == b"GG"
    reader = VideoReader(path)
    found = list(reader)
    assert [number(item.rgb) for item in found] == [item.index for item in found] == list(range(20))
    np.testing.assert_allclose([item.seconds for item in found], np.arange(20) / 25, atol=0.002)
    assert reader.shortfall() == ""


def test_videos_are_known_by_their_ending(tmp_path):
    assert is_video(tmp_path / "A.MP4")
    assert not is_video(tmp_path / "a.png")
    assert set(CODECS) <= {f".{name}" for name in ("webm", "mkv", "mp4", "m4v", "mov", "avi")}


@pytest.mark.parametrize("ending", [".avi", ".webm"])
def test_a_video_that_lacks_its_last_frames_says_so_though_few_are_missing(tmp_path, ending):
    with write_video(tmp_path / f"a{ending}", fps=10.0) as append:
        for i in range(40):
            append(frame(i))
    path = tmp_path / f"cut{ending}"
    path.write_bytes((tmp_path / f"a{ending}").read_bytes()[:-40])
    reader = VideoReader(path)
    assert 38 <= len(list(reader)) <= 40
    assert reader.shortfall() == "the file is cut short: at least 40 bytes are missing at its end"
    part = VideoReader(path, stop=20)
    assert len(list(part)) == 20
    assert part.shortfall() == ""

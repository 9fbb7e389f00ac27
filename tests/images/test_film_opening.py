"""Films whose track, pixels or pauses are not those of a plain file."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from segpipe.images.frames import Choice, FrameTaker
from segpipe.images.video import BadVideo, VideoReader, probe_video
from segpipe.images.video_header import film_behind_cover
from segpipe.images.video_writing import write_video
from tests.helpers.films import scene_frames, write_film
from tests.helpers.odd_films import behind, boxes, write_avi_with_sound


def with_pixel_shape(content: bytes, above: int, below: int) -> bytes:
    """An MP4 with a `pasp` box (ISO/IEC 14496-12, 12.1.4) at the end of its sample entry; its index lies last."""
    shape = struct.pack(">I4sII", 16, b"pasp", above, below)
    out = bytearray(content)
    at, places = content.index(boxes(content)[b"moov"]), []
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"mp4v"):
        at = content.index(name, at) - 4
        places.append(at)
        at += 4
    end = places[-1] + struct.unpack(">I", content[places[-1] : places[-1] + 4])[0]
    for place in places:
        (size,) = struct.unpack(">I", out[place : place + 4])
        out[place : place + 4] = struct.pack(">I", size + len(shape))
    return bytes(out[:end] + shape + out[end:])


@pytest.mark.parametrize(("shape", "height", "width"), [((4, 3), 48, 85), ((1, 2), 96, 64), ((1, 1), 48, 64)])
def test_pixels_become_squares(tmp_path: Path, shape: tuple[int, int], height: int, width: int) -> None:
    plain = write_film(tmp_path / "a.mp4", [6])
    (tmp_path / "b.mp4").write_bytes(with_pixel_shape(plain.read_bytes(), *shape))
    info = probe_video(tmp_path / "b.mp4")
    assert (info.height, info.width) == (height, width)
    stored = [frame.rgb for frame in VideoReader(plain)]
    for frame, rgb in zip(VideoReader(tmp_path / "b.mp4"), stored, strict=True):
        expected = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR)
        assert frame.rgb.shape == expected.shape
        assert np.abs(frame.rgb.astype(int) - expected).mean() < 3
    taker = FrameTaker(tmp_path / "b.mp4", Choice(every=2))
    assert (taker.size.height, taker.size.width) == (height, width)


def test_a_film_behind_a_cover_picture_is_told_with_its_track(tmp_path: Path) -> None:
    with write_video(tmp_path / "cover.mp4", fps=10) as append:
        append(np.full((16, 24, 3), 200, np.uint8))
    cover, film = (tmp_path / "cover.mp4").read_bytes(), write_film(tmp_path / "film.mp4", [7, 5]).read_bytes()
    both = tmp_path / "both.mp4"
    both.write_bytes(behind(cover, film))
    with pytest.raises(BadVideo, match=r"first track is a cover picture.*-map 0:v:1 -c copy OUT"):
        probe_video(both)
    both.write_bytes(behind(film, cover))
    assert len(list(VideoReader(both))) == 12
    assert film_behind_cover(tmp_path / "cover.mp4") == 0  # a film of one frame stays one


def test_a_long_pause_with_sound_ends_no_film(tmp_path: Path) -> None:
    path = write_avi_with_sound(tmp_path / "a.avi", scene_frames([8]), [3, 3, 3, 9000, 3, 3, 3, 3])
    code = (
        "import sys; from pathlib import Path; from segpipe.images.video import VideoReader\n"
        "reader = VideoReader(Path(sys.argv[1])); print(len(list(reader)), repr(reader.shortfall()))"
    )
    done = subprocess.run(  # OpenCV asks for its limits once in a process
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, env=os.environ, check=True
    )
    assert done.stdout.split(maxsplit=1) == ["8", "''\n"]
    assert done.stderr == ""

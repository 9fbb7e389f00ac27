import struct
from pathlib import Path

import cv2
import pytest

from segpipe.images.video import BadVideo, probe_video
from segpipe.images.video_header import find_container, missing_bytes
from segpipe.images.video_writing import CODECS
from tests.helpers.films import write_film

KINDS = {".webm": "matroska,webm", ".mkv": "matroska,webm", ".mp4": "mov", ".m4v": "mov", ".mov": "mov", ".avi": "avi"}


@pytest.mark.parametrize("ending", CODECS)
def test_what_is_written_is_known_by_its_content(tmp_path: Path, ending: str) -> None:
    film = write_film(tmp_path / f"a{ending}", [5])
    assert find_container(film) == KINDS[ending]
    film.rename(tmp_path / "b.mpg")
    assert probe_video(tmp_path / "b.mpg").width == 64  # whatever the ending


@pytest.mark.parametrize("ending", CODECS)
def test_what_was_cut_off_is_counted(tmp_path: Path, ending: str) -> None:
    film = write_film(tmp_path / f"a{ending}", [20])
    content = film.read_bytes()
    assert missing_bytes(film) == 0
    for count in (1, 100):
        film.write_bytes(content[:-count])
        assert missing_bytes(film) == count
    film.write_bytes(content[: len(content) // 2])
    assert 0 < missing_bytes(film) <= -(-len(content) // 2)  # of later parts nothing is known
    film.write_bytes(content + b"what a camera adds")
    assert missing_bytes(film) == 0


def test_files_that_do_not_say_their_length_are_not_called_cut(tmp_path: Path) -> None:
    path = tmp_path / "a"
    avi, webm = (write_film(tmp_path / name, [5]).read_bytes() for name in ("a.avi", "a.webm"))
    path.write_bytes(avi[:4] + b"\xff\xff\xff\xff" + avi[8:-9])
    assert missing_bytes(path) == 0
    at = webm.index(b"\x18\x53\x80\x67") + 4
    path.write_bytes(webm[:at] + b"\x01" + b"\xff" * 7 + webm[at + 8 : -9])  # as a stream is written
    assert missing_bytes(path) == 0
    asf = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + struct.pack("<Q", 30) + bytes(6)
    path.write_bytes(asf + b"D" * 16 + struct.pack("<Q", 1000) + bytes(900))
    assert missing_bytes(path) == 1000 - 24 - 900
    path.write_bytes(b"\0\0\1\xba" + bytes(2000))
    assert missing_bytes(path) == 0


@pytest.mark.parametrize("length", [188, 192])
def test_transport_streams_are_known_by_their_packets(tmp_path: Path, length: int) -> None:
    packet = bytes(length - 188) + b"\x47" + bytes(187)
    (tmp_path / "a.mts").write_bytes(packet * 6)
    assert find_container(tmp_path / "a.mts") == "mpegts"
    (tmp_path / "a.mts").write_bytes(packet * 2 + b"GGGG" + packet)
    assert find_container(tmp_path / "a.mts") is None


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile other.avi\n" * 9,
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1\nother.avi\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        ";FFMETADATA1\ntitle=x\n",
        "abcdftypisom" + "x" * 300,
        "<?xml version='1.0'?><MPD></MPD>" * 3,
        "",
        "x",
    ],
)
def test_what_points_elsewhere_is_never_shown_to_ffmpeg(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_film(tmp_path / "other.avi", [5])
    (tmp_path / "a.mp4").write_text(text)
    monkeypatch.setattr(cv2, "VideoCapture", None)
    with pytest.raises(BadVideo, match="not a video by its content"):
        probe_video(tmp_path / "a.mp4")


def test_a_name_like_an_address_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_film(Path("http:a.avi"), [5])
    assert probe_video(Path("http:a.avi")).frames == 5


def test_large_frames_are_refused_before_one_is_allocated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "a.avi", [5])
    monkeypatch.setattr("segpipe.images.film_opening._LARGEST", 48 * 64 - 1)
    with pytest.raises(BadVideo, match="64 x 48 pixels are more than 3071"):
        probe_video(film)

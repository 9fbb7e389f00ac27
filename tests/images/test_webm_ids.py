"""The same frames give the same file, and players still open it."""

from pathlib import Path

from segpipe.images.video import VideoReader
from segpipe.images.webm_ids import settle_ids, settled
from tests.helpers.films import write_film


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = (write_film(tmp_path / f"{name}.webm", [5, 4]) for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()
    assert [frame.index for frame in VideoReader(one)] == list(range(9))


def test_tags_still_speak_of_their_tracks() -> None:
    video, sound = b"\x73\xc5\x88AAAAAAAA", b"\x73\xc5\x88BBBBBBBB"
    tag = b"\x63\xc5\x88BBBBBBBB"
    found = settled(b"head" + video + sound + tag)
    assert found == b"head" + video[:3] + bytes(7) + b"\1" + sound[:3] + bytes(7) + b"\2" + tag[:3] + bytes(7) + b"\2"


def test_a_file_of_another_kind_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"\x73\xc5\x88AAAAAAAA")
    settle_ids(path)
    assert path.read_bytes() == b"\x73\xc5\x88AAAAAAAA"

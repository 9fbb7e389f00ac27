"""Whether a file is one of the containers that videos are read from, by its first bytes and not by its ending.

FFmpeg goes by content too, and knows formats that are no videos but point elsewhere: playlists (HLS, ffconcat), SDP,
patterns of image names. So it is shown a file only where one of the containers below begins.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid")
_MAGICS = {
    b"\x1a\x45\xdf\xa3": "matroska,webm",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
    b"\0\0\1\xba": "mpeg",
    b"\0\0\1\xb3": "mpegvideo",
}
_PACKETS = ((188, 0), (192, 4))
"""Length of the packets of MPEG transport streams (plain, and M2TS with a time before each), and where 0x47 stands."""
_SEGMENT = b"\x18\x53\x80\x67"
"""Of Matroska: the element that holds everything but the first."""
_MOST_PARTS = 100_000
_LARGEST_INDEX = 1 << 28  # bytes of `moov`: hours of film have a few million
_SHORTEST = 8  # bytes of a box
_NEEDED = 16
_LOOKED_AT = 192 * 5


def find_container(path: Path) -> str | None:
    """FFmpeg's name of the demuxer for a video file, or None where it is no video that is read.

    ISO-BMFF and QuickTime (.mp4, .m4v, .mov), Matroska and WebM, RIFF AVI, ASF (.wmv), MPEG program and transport
    streams and MPEG video.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    if len(start) < _NEEDED:
        return None
    if start[4:8] in _BOXES and not start[:4].isalnum():  # the length of a box, in binary
        return "mov"
    if start[:4] == b"RIFF" and start[8:12] in (b"AVI ", b"AVIX"):
        return "avi"
    for magic, name in _MAGICS.items():
        if start.startswith(magic):
            return name
    return "mpegts" if any(_is_stream(start, *packet) for packet in _PACKETS) else None


def _is_stream(start: bytes, length: int, sync: int) -> bool:
    places = range(sync, len(start), length)
    return len(start) >= 2 * length and all(start[at] == 0x47 for at in places)


def missing_bytes(path: Path) -> int:
    """How many bytes at least the parts of a video file promise beyond its end; 0 where it is whole, or does not say.

    Frames are told from each other where they lie, so that players show what is left of a file that was cut short,
    the last frame half, and count to the end as if there were no more. Only the outermost parts are looked at: boxes of
    ISO-BMFF, RIFF chunks, elements of Matroska, objects of ASF. Streams of MPEG have no length, and neither do files
    whose camera was switched off before it was written.

    Raises:
        OSError: the file cannot be read.
    """
    length_at = _LENGTHS.get(find_container(path) or "")
    if length_at is None:
        return 0
    end = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        for _ in range(_MOST_PARTS):
            length = length_at(file, at)
            if not length:
                break
            at += length
            if at >= end:
                return at - end
    return 0


def film_behind_cover(path: Path) -> int:
    """Which of the video tracks of an MP4 or QuickTime file is the film, where the first is a picture; else 0.

    Drones and phones write a cover as a track of one sample before the film (ISO/IEC 14496-12: `hdlr`, `stsz`).

    Raises:
        OSError: the file cannot be read.
    """
    if find_container(path) != "mov":
        return 0
    counts: list[int] = []
    with path.open("rb") as file:
        for name, start, end in _boxes(file, 0, path.stat().st_size):
            if name == b"moov" and end - start <= _LARGEST_INDEX:
                for inner, first, last in _boxes(file, start, end):
                    track = _read(file, first, last - first) if inner == b"trak" else b""
                    kind, sizes = track.find(b"hdlr"), track.find(b"stsz")
                    if kind >= 0 and sizes >= 0 and track[kind + 12 : kind + 16] == b"vide":
                        counts.append(int.from_bytes(track[sizes + 12 : sizes + 16], "big"))
    films = [i for i, count in enumerate(counts) if count > 1]
    return films[0] if films and counts[0] == 1 else 0


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name of each box of ISO-BMFF in a range, and where its content begins and ends."""
    for _ in range(_MOST_PARTS):
        head = _read(file, start, 16)
        length = _box(file, start) if start < end else 0
        if length < _SHORTEST:
            return
        yield head[4:8], start + (16 if head[:4] == b"\0\0\0\1" else 8), min(start + length, end)
        start += length


def _box(file: BinaryIO, at: int) -> int:
    """Bytes of a box of ISO-BMFF, 0 where it does not say."""
    head = _read(file, at, 16)
    if not head[4:8].isalnum():  # some cameras write things of their own behind the last box
        return 0
    length = int.from_bytes(head[:4], "big")
    return int.from_bytes(head[8:16], "big") if length == 1 else length


def _riff(file: BinaryIO, at: int) -> int:
    """Bytes of a RIFF chunk; 0 where there is none, or it was never finished."""
    head = _read(file, at, 8)
    length = int.from_bytes(head[4:], "little")
    return 8 + length if head[:4] == b"RIFF" and length not in (0, 0xFFFFFFFF) else 0


def _element(file: BinaryIO, at: int) -> int:
    """Bytes of an element of Matroska (EBML, RFC 8794), 0 where its length is unknown."""
    head = _read(file, at, 12)
    place = 4  # the two outermost elements have an id of four bytes
    if at and head[:4] != _SEGMENT:
        return 0
    count = 9 - head[place].bit_length() if len(head) > place and head[place] else 9
    if count > 8 or len(head) < place + count:
        return 0
    length = int.from_bytes(head[place : place + count], "big") & ((1 << 7 * count) - 1)
    return 0 if length == (1 << 7 * count) - 1 else place + count + length


def _object(file: BinaryIO, at: int) -> int:
    """Bytes of an object of ASF, 0 where there is none."""
    head = _read(file, at, 24)
    return struct.unpack_from("<Q", head, 16)[0] if len(head) == 24 else 0


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(min(at, 1 << 62))
    return file.read(count)


_LENGTHS: dict[str, Callable[[BinaryIO, int], int]] = {
    "mov": _box,
    "avi": _riff,
    "matroska,webm": _element,
    "asf": _object,
}

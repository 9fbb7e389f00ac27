"""Films as cameras and editors make them that OpenCV's writer does not: bytes put together by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]


def with_times(content: bytes, milliseconds: Sequence[int], *, end: int) -> bytes:
    """A Matroska file of one cluster with other times for its frames (EBML: RFC 8794; blocks: RFC 9559)."""
    out = bytearray(content)
    at = content.index(b"\x1f\x43\xb6\x75") + 4
    at += _length(content, at)[1]
    times = iter(milliseconds)
    while at < len(content) and (name := content[at]) in (0xE7, 0xA3):
        size, wide = _length(content, at + 1)
        if name == 0xA3:  # block: track, then its time
            out[at + 1 + wide + 1 : at + 1 + wide + 3] = struct.pack(">h", next(times))
        at += 1 + wide + size
    assert next(times, None) is None
    place = content.index(b"\x44\x89\x88") + 3
    out[place : place + 8] = struct.pack(">d", float(end))
    rate = content.index(b"\x23\xe3\x83")  # the even length of a frame: such files have none, so it becomes a void
    size, wide = _length(content, rate + 3)
    out[rate : rate + 3 + wide + size] = bytes([0xEC, 0x80 | (1 + wide + size)]) + bytes(1 + wide + size)
    return bytes(out)


def turned(content: bytes, *, height: int) -> bytes:
    """An MP4 that is shown turned by 90 degrees clockwise, as telephones write it: a matrix in the track's header.

    Args:
        content: of the file, with one video track that is not turned.
        height: of its frames as stored, pixels.
    """
    at = content.index(b"tkhd") + 4 + 4 + 20 + 16  # version and flags, times and ids, layer and volume
    assert content[at : at + 36] == struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, height << 16, 0, 1 << 30)
    return content[:at] + matrix + content[at + 36 :]


def _length(content: bytes, at: int) -> tuple[int, int]:
    wide = 9 - content[at].bit_length()
    return int.from_bytes(content[at : at + wide], "big") & ((1 << 7 * wide) - 1), wide


def boxes(content: bytes) -> dict[bytes, bytes]:
    """The outermost boxes of an ISO-BMFF file, each with its head."""
    found, at = {}, 0
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        found[content[at + 4 : at + 8]] = content[at : at + size]
        at += size
    return found


def box(name: bytes, *parts: bytes) -> bytes:
    """A box of ISO-BMFF."""
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def behind(cover: bytes, film: bytes) -> bytes:
    """An MP4 whose first track is that of `cover` and whose second is that of `film`."""
    one, two = boxes(cover), boxes(film)
    data = one[b"mdat"][8:] + two[b"mdat"][8:]
    head = two[b"ftyp"]
    tracks = []
    for parts, before, content in ((one, 0, cover), (two, len(one[b"mdat"]) - 8, film)):
        moov = parts[b"moov"]
        inner = boxes(moov[8:])
        track = bytearray(inner[b"trak"])
        at = track.index(b"stco") + 8
        (count,) = struct.unpack(">I", track[at : at + 4])
        shift = len(head) + 8 + before - (content.index(parts[b"mdat"]) + 8)
        places = struct.unpack(f">{count}I", track[at + 4 : at + 4 + 4 * count])
        track[at + 4 : at + 4 + 4 * count] = struct.pack(f">{count}I", *(place + shift for place in places))
        number = track.index(b"tkhd") + 4 + 12
        track[number : number + 4] = struct.pack(">I", 1 + len(tracks))
        tracks.append(bytes(track))
    movie = boxes(two[b"moov"][8:])[b"mvhd"]
    return head + box(b"mdat", data) + box(b"moov", movie, *tracks)


def write_avi_with_sound(path: Path, frames: Sequence[Rgb], packets: Sequence[int]) -> Path:
    """An AVI of JPEG frames, ten a second, with so many packets of sound after each frame."""
    height, width = frames[0].shape[:2]
    video = struct.pack("<4s4sIHHIIIIIIII4H", b"vids", b"MJPG", 0, 0, 0, 0, 1, 10, 0, len(frames), 0, 0, 0, *[0] * 4)
    shape = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 0, 0, 0, 0, 0)
    audio = struct.pack("<4sIIHHIIIIIIII4H", b"auds", 0, 0, 0, 0, 0, 1, 8000, 0, sum(packets), 0, 0, 1, *[0] * 4)
    wave = struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
    main = struct.pack("<14I", 100_000, 0, 0, 0, len(frames), 0, 2, 0, width, height, 0, 0, 0, 0)
    lists = [
        _list(b"strl", _chunk(b"strh", head), _chunk(b"strf", form)) for head, form in ((video, shape), (audio, wave))
    ]
    parts = []
    for rgb, count in zip(frames, packets, strict=True):
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        parts.append(_chunk(b"00dc", jpeg.tobytes()) + _chunk(b"01wb", b"\x80\x80") * count)
    body = b"AVI " + _list(b"hdrl", _chunk(b"avih", main), *lists) + _list(b"movi", *parts)
    path.write_bytes(_chunk(b"RIFF", body))
    return path


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _list(name: bytes, *parts: bytes) -> bytes:
    return _chunk(b"LIST", name + b"".join(parts))

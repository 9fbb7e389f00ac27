"""WebM films of key frames alone: VP8 pictures as WebP encodes them, in the container that browsers play.

A lossy WebP file holds one VP8 key frame, so every picture is encoded by itself: in threads, the same bytes each time,
and a player finds any frame at once. Measured on 854 x 480 pixels this takes a tenth of the time of FFmpeg's VP8 as
OpenCV calls it, and half the bytes. The container is that of RFC 9559 (Matroska) in WebM's part of it.
"""

from __future__ import annotations

import io
import struct
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from segpipe.base.version import __version__

Rgb = npt.NDArray[np.uint8]

LONGEST = 16_383
"""Pixels of a side, at most: the sizes of VP8 have 14 bits."""
_QUALITY, _METHOD = 80, 0  # of WebP; slower methods save a tenth of the bytes
_THREADS = 2
_TICKS = 1000  # a second: WebM's times are milliseconds
_CLUSTER_TICKS = 5 * _TICKS  # times of blocks are 16 bits from the start of their cluster
_CLUSTER_FRAMES = 64

_EBML, _SEGMENT, _SEEK_HEAD, _INFO, _TRACKS, _CLUSTER, _CUES = (
    b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x11\x4d\x9b\x74", b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b",
    b"\x1f\x43\xb6\x75", b"\x1c\x53\xbb\x6b",
)  # fmt: skip
_SIMPLE_BLOCK, _KEY_FRAME = b"\xa3", b"\x80"


class WebmWriter:
    """Writes a film; frames are encoded in threads beside the caller's work, a few at a time."""

    def __init__(self, path: Path, *, fps: float, height: int, width: int) -> None:
        """Begin the file.

        Args:
            path: of the file; it is WebM, and where it ends in .mkv says that it is Matroska.
            fps: frames a second, all equally long.
            height: of every frame, pixels, at most `LONGEST`.
            width: likewise.

        Raises:
            OSError: it cannot be written.
        """
        self._fps = fps
        self._frames = 0
        self._cluster: list[tuple[int, bytes]] = []
        self._cues: list[tuple[int, int]] = []
        self._waiting: deque[tuple[Future[bytes], int]] = deque()
        self._pool = ThreadPoolExecutor(_THREADS)
        self._file: BinaryIO = path.open("wb")
        kind = b"matroska" if path.suffix.lower() == ".mkv" else b"webm"
        self._file.write(_head(kind))
        self._file.write(_SEGMENT + bytes(8))
        self._start = self._file.tell()
        self._file.write(self._preface(cues=0))
        self._file.write(_tracks(fps, height, width))

    def append(self, rgb: Rgb, times: int = 1) -> None:
        """Add a picture (height, width, 3), shown for so many frames.

        Raises:
            OSError: it cannot be written.
        """
        self._waiting.append((self._pool.submit(key_frame, rgb), times))
        while len(self._waiting) > 2 * _THREADS:
            self._put()

    def finish(self) -> None:
        """Write what is left: the last frames, where each cluster begins, and how long the film is.

        Raises:
            OSError: it cannot be written.
        """
        while self._waiting:
            self._put()
        self._end_cluster()
        cues = self._file.tell() - self._start
        self._file.write(_element(_CUES, *(_cue(time, place) for time, place in self._cues)))
        end = self._file.tell()
        self._file.seek(self._start - 8)
        self._file.write(_length(end - self._start, 8))
        self._file.write(self._preface(cues))
        self._file.flush()

    def close(self) -> None:
        """End the threads and close the file, finished or not."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._file.close()

    def _time(self, frame: int) -> int:
        return round(_TICKS * frame / self._fps)

    def _put(self) -> None:
        encoded, times = self._waiting.popleft()
        picture, time = encoded.result(), self._time(self._frames)
        self._frames += times
        if self._cluster and (time - self._cluster[0][0] >= _CLUSTER_TICKS or len(self._cluster) == _CLUSTER_FRAMES):
            self._end_cluster()
        self._cluster.append((time, picture))

    def _end_cluster(self) -> None:
        if not self._cluster:
            return
        begins = self._cluster[0][0]
        self._cues.append((begins, self._file.tell() - self._start))
        blocks = (
            _element(_SIMPLE_BLOCK, b"\x81", struct.pack(">h", time - begins), _KEY_FRAME, picture)
            for time, picture in self._cluster
        )
        self._file.write(_element(_CLUSTER, _number(b"\xe7", begins), *blocks))
        self._cluster = []

    def _preface(self, cues: int) -> bytes:
        """What stands before the tracks, always of the same length: where the cues are, and the film's length."""
        length = struct.pack(">d", float(self._time(self._frames)))
        writer = f"segpipe {__version__}".encode()
        info = _element(
            _INFO, _number(b"\x2a\xd7\xb1", 1_000_000), _element(b"\x44\x89", length),
            _element(b"\x4d\x80", writer), _element(b"\x57\x41", writer),
        )  # fmt: skip
        seek = _element(b"\x4d\xbb", _element(b"\x53\xab", _CUES), _element(b"\x53\xac", struct.pack(">Q", cues)))
        return _element(_SEEK_HEAD, seek) + info


def key_frame(rgb: Rgb) -> bytes:
    """A picture (H, W, 3) as a VP8 key frame (RFC 6386)."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, "WEBP", quality=_QUALITY, method=_METHOD)
    content = buffer.getvalue()
    if content[12:16] != b"VP8 ":
        raise ValueError(f"a WebP file begins with {content[12:16]!r}, a lossy picture alone was expected")
    (length,) = struct.unpack("<I", content[16:20])
    return content[20 : 20 + length]


def _head(kind: bytes) -> bytes:
    return _element(
        _EBML, _number(b"\x42\x86", 1), _number(b"\x42\xf7", 1), _number(b"\x42\xf2", 4), _number(b"\x42\xf3", 8),
        _element(b"\x42\x82", kind), _number(b"\x42\x87", 4), _number(b"\x42\x85", 2),
    )  # fmt: skip


def _tracks(fps: float, height: int, width: int) -> bytes:
    video = _element(b"\xe0", _number(b"\xb0", width), _number(b"\xba", height))
    entry = _element(
        b"\xae", _number(b"\xd7", 1), _number(b"\x73\xc5", 1), _number(b"\x83", 1), _number(b"\x9c", 0),
        _element(b"\x86", b"V_VP8"), _number(b"\x23\xe3\x83", round(1e9 / fps)), video,
    )  # fmt: skip
    return _element(_TRACKS, entry)


def _cue(time: int, place: int) -> bytes:
    where = _element(b"\xb7", _number(b"\xf7", 1), _number(b"\xf1", place))
    return _element(b"\xbb", _number(b"\xb3", time), where)


def _element(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return name + _length(len(content)) + content


def _number(name: bytes, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _length(value: int, octets: int = 0) -> bytes:
    """A length in EBML's own numbers: as many leading zero bits as bytes follow the first.

    >>> _length(5).hex(), _length(127).hex(), _length(500).hex(), _length(5, 8).hex()
    ('85', '407f', '41f4', '0100000000000005')
    """
    octets = octets or next(n for n in range(1, 9) if value < (1 << 7 * n) - 1)
    return (value | 1 << 7 * octets).to_bytes(octets, "big")

"""WebM files whose bytes depend on their frames alone: FFmpeg gives every track a random number.

The ids are those of RFC 9559: TrackUID (0x73C5) among the tracks, TagTrackUID (0x63C5) where a tag speaks of one. They
stand before the first cluster. Matroska files beyond WebM hold checksums over them and stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path

_HEAD = 1 << 16  # bytes in which they lie: FFmpeg writes them before the frames
_CLUSTER = b"\x1f\x43\xb6\x75"
_TRACK = re.compile(rb"(?<=\x73\xc5\x88).{8}", re.DOTALL)


def settle_ids(path: Path) -> None:
    """Number the tracks of a WebM file 1, 2 and so on, in place; other files stay as they are."""
    if path.suffix.lower() != ".webm":
        return
    with path.open("r+b") as file:
        head = file.read(_HEAD)
        end = head.find(_CLUSTER)
        own = settled(head if end < 0 else head[:end])
        file.seek(0)
        file.write(own)


def settled(head: bytes) -> bytes:
    r"""The bytes before the first cluster with settled numbers; as many bytes as before.

    >>> settled(b"\x73\xc5\x88" + b"whatever")[-2:]
    b'\x00\x01'
    """
    tracks = dict.fromkeys(_TRACK.findall(head))
    for number, track in enumerate(tracks, 1):
        for mark in (b"\x73\xc5\x88", b"\x63\xc5\x88"):
            head = head.replace(mark + track, mark + number.to_bytes(8, "big"))
    return head

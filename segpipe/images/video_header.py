"""Whether a file is one of the containers that videos are read from, by its first bytes and not by its ending.

FFmpeg goes by content too, and knows formats that are no videos but point elsewhere: playlists (HLS, ffconcat), SDP,
patterns of image names. So it is shown a file only where one of the containers below begins.
"""

from __future__ import annotations

from pathlib import Path

_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid")
_MAGICS = {
    b"\x1a\x45\xdf\xa3": "matroska,webm",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
    b"\0\0\1\xba": "mpeg",
    b"\0\0\1\xb3": "mpegvideo",
}
_PACKETS = ((188, 0), (192, 4))
"""Length of the packets of MPEG transport streams (plain, and M2TS with a time before each), and where 0x47 stands."""
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

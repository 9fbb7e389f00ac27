"""What a JPEG 2000 file (.jp2) says of itself: the boxes of ISO/IEC 15444-1, annex I. Satellites' bands come so."""

from __future__ import annotations

from segpipe.images.container import ByteReader, Container, sized

MAGIC = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_MOST_BOXES = 1000
_END = b"\xff\xd9"


def parse(file: ByteReader) -> Container:
    """The facts of a JP2; a ValueError where it is damaged or cut short."""
    size, at = None, 0
    for _ in range(_MOST_BOXES):
        name, start, end = _box(file, at)
        if name == b"jp2h":
            inner, begin, _ = _box(file, start)
            if inner != b"ihdr" or size is not None:
                raise ValueError("damaged JP2 header")
            size = sized(*file.unpack(">II", begin))
        elif name == b"jp2c":
            if size is None:
                raise ValueError("damaged JP2: no header before its picture")
            if end - start < 2 or file.at(end - 2, 2) != _END:
                raise ValueError("truncated: the end of the JPEG 2000 data is missing")
            return Container("JP2", size, raster=True)
        at = end
    raise ValueError(f"damaged JP2: no picture in its first {_MOST_BOXES} boxes")


def _box(file: ByteReader, at: int) -> tuple[bytes, int, int]:
    """Name, start of the content, and end of the box at a place; the last one may reach to the end of the file."""
    (length,), name = file.unpack(">I", at), file.at(at + 4, 4)
    start = at + 8
    if length == 1:
        (length,) = file.unpack(">Q", start)
        start += 8
    end = file.length if length == 0 else at + length
    if end < start:
        raise ValueError("damaged JP2: a box shorter than its header")
    file.need(end)
    return name, start, end

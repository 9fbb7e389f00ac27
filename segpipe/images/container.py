"""The facts of one image file, and how the bytes of its header are read."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from segpipe.base.geometry import Size


@dataclass(frozen=True, slots=True)
class Container:
    """The facts of one image file."""

    kind: str
    """JPEG, PNG, TIFF, WEBP, BMP, HEIC, JP2 or MAT, by content, whatever the ending."""
    size: Size
    """Stored size, before the orientation is applied."""
    orientation: int = 1
    """EXIF orientation, 1 to 8."""
    raster: bool = False
    """Deeper than 8 bits, or a TIFF of plain bands: to be read by GDAL. Pillow reads the rest."""
    white_is_zero: bool = False
    """A gray TIFF whose largest value is black."""
    page: int = 0
    """The page of a TIFF that is the image, counted from 0: the first that is not marked as a thumbnail or mask."""
    pages: int = 1
    """How many such pages there are."""


class ByteReader:
    """Random access to a file; reading past its end is an error."""

    def __init__(self, handle: BinaryIO, length: int) -> None:
        self.handle = handle
        self.length = length

    def at(self, offset: int, count: int) -> bytes:
        """`count` bytes from `offset` on; a ValueError where they are not there."""
        self.need(offset + count)
        self.handle.seek(offset)
        return self.handle.read(count)

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        """Numbers in the layout of `struct`."""
        return struct.unpack(layout, self.at(offset, struct.calcsize(layout)))

    def need(self, end: int) -> None:
        """Say that the file must go to `end`."""
        if end > self.length:
            raise ValueError(f"truncated: {self.length} bytes, at least {end} expected")


def sized(height: int, width: int) -> Size:
    """A size that a header says; a ValueError where a side is below 1."""
    if height < 1 or width < 1:
        raise ValueError(f"the header says {width} x {height} pixels")
    return Size(height, width)

"""HEIC photographs, as phones write them, where the optional pi-heif is installed: it decodes and cannot encode."""

from __future__ import annotations

from importlib.util import find_spec
from typing import BinaryIO

from PIL.ImageFile import ImageFile

from segpipe.images.container import ByteReader, Container, sized

ENDINGS = (".heic", ".heif")
WAY_OUT = '`pip install "segpipe[heic]"` reads such files'
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
"""Of ISO/IEC 23008-12; AVIF has its own."""


def installed() -> bool:
    """Whether pi-heif is there."""
    return find_spec("pi_heif") is not None


def is_heic(start: bytes) -> bool:
    """Whether a file that begins so is a HEIC photograph."""
    return start[4:8] == b"ftyp" and start[8:12] in _BRANDS


def open_heic(handle: BinaryIO) -> ImageFile:
    """Open a HEIC photograph as Pillow does other kinds; it is turned already, whatever its EXIF says."""
    from pi_heif.as_plugin import HeifImageFile  # optional

    image: ImageFile = HeifImageFile(handle)
    return image


def parse(file: ByteReader) -> Container:
    """The facts of a HEIC file; every box that its header promises must be there.

    Raises:
        ValueError: pi-heif is not installed, or the file is truncated or damaged.
    """
    if not installed():
        raise ValueError(f"a HEIC file: {WAY_OUT}, or convert it (`magick IN OUT.jpg`)")
    at = 0
    while at < file.length:
        (count,) = file.unpack(">I", at)
        if count == 1:
            (count,) = file.unpack(">Q", at + 8)
        if count == 0:  # to the end of the file
            break
        if count < 8:
            raise ValueError(f"damaged HEIC: a box of {count} bytes")
        at += count
        file.need(at)
    file.handle.seek(0)
    try:
        with open_heic(file.handle) as image:
            width, height = image.size
    except SyntaxError as error:  # what Pillow's readers raise for a header that they cannot read
        raise ValueError(f"damaged HEIC: {error}") from error
    return Container("HEIC", sized(height, width))

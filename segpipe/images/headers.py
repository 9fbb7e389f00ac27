"""What an image file says of itself before anything is decoded: kind, size, orientation, and whether it is whole.

Decoders differ in what they do with half a file (a full-size picture and a line on stderr, in the worst case), and
some of that is a switch any library in the process can flip. So the containers are walked here: every byte that the
header promises must be there. The formats are those of ITU T.81 (JPEG), the PNG specification, TIFF 6.0 and BigTIFF,
the WebP container specification, the Windows bitmap header and the MAT-file level 5 format.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Size
from segpipe.images import matfile


class BadImage(CorpusError):
    """A file that cannot be used as an image. `reason` says why in a few words."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadImage], tuple[Path, str]]:
        return BadImage, (self.path, self.reason)  # survives the way back from a worker process


@dataclass(frozen=True, slots=True)
class Container:
    """The facts of one image file."""

    kind: str
    """JPEG, PNG, TIFF, WEBP, BMP or MAT, by content, whatever the ending."""
    size: Size
    """Stored size, before the orientation is applied."""
    orientation: int = 1
    """EXIF orientation, 1 to 8."""
    raster: bool = False
    """Deeper than 8 bits, or a TIFF of plain bands: to be read by GDAL. Pillow reads the rest."""
    white_is_zero: bool = False
    """A gray TIFF whose largest value is black."""


def inspect(path: Path) -> Container:
    """Look into an image file and check that it is whole.

    Raises:
        BadImage: not a file, empty, of another format, truncated or damaged.
    """
    try:
        if not path.is_file():
            raise BadImage(path, "not a file" if path.exists() else "there is no such file")
        length = path.stat().st_size
        if length == 0:
            raise BadImage(path, "empty file (0 bytes)")
        with path.open("rb") as handle:
            return _parse(_Reader(handle, length))
    except OSError as error:
        raise BadImage(path, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise BadImage(path, str(error)) from error


class _Reader:
    """Random access to a file; reading past its end is an error."""

    def __init__(self, handle: BinaryIO, length: int) -> None:
        self.handle = handle
        self.length = length

    def at(self, offset: int, count: int) -> bytes:
        self.need(offset + count)
        self.handle.seek(offset)
        return self.handle.read(count)

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        return struct.unpack(layout, self.at(offset, struct.calcsize(layout)))

    def need(self, end: int) -> None:
        if end > self.length:
            raise ValueError(f"truncated: {self.length} bytes, at least {end} expected")


def _parse(file: _Reader) -> Container:
    start = file.at(0, min(16, file.length))
    for magic, parse in _PARSERS:
        if start.startswith(magic):
            return parse(file)
    for magic, name in _FOREIGN:
        if magic in start:
            raise ValueError(f"{name}, not JPEG, PNG, TIFF, WebP or BMP")
    raise ValueError("not an image: the content is not JPEG, PNG, TIFF, WebP or BMP")


def _jpeg(file: _Reader) -> Container:
    size, orientation, at = None, 1, 2
    while True:
        lead, marker = file.at(at, 2)
        if lead != 0xFF:
            raise ValueError("damaged JPEG header")
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xD9:
            raise ValueError("JPEG without image data")
        (count,) = file.unpack(">H", at + 2)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width = file.unpack(">HH", at + 5)
            size = _size(height, width)
        elif marker == 0xE1 and count > 16 and file.at(at + 4, 6) == b"Exif\0\0":
            orientation = _exif_orientation(file.at(at + 10, count - 8))
        elif marker == 0xDA:  # start of scan: entropy-coded data follows, where FF D9 can only be the end marker
            break
        at += 2 + count
    if size is None:
        raise ValueError("JPEG without a frame header")
    if not _holds(file, b"\xff\xd9", at):
        raise ValueError("truncated: the end of the JPEG data is missing")
    return Container("JPEG", size, orientation)


def _holds(file: _Reader, wanted: bytes, start: int) -> bool:
    """Whether `wanted` occurs after `start`; looked for from the end, where it usually is."""
    step, end = 1 << 16, file.length
    while end > start:
        begin = max(start, end - step)
        if wanted in file.at(begin, min(file.length, end + len(wanted) - 1) - begin):
            return True
        end = begin
    return False


def _png(file: _Reader) -> Container:
    width, height, bits = file.unpack(">IIB", 16)
    orientation, at = 1, 8
    while True:
        count, name = file.unpack(">I", at)[0], file.at(at + 4, 4)
        file.need(at + 12 + count)
        if name == b"eXIf":
            orientation = _exif_orientation(file.at(at + 8, count))
        if name == b"IEND":
            return Container("PNG", _size(height, width), orientation, raster=bits > 8)
        at += 12 + count


def _webp(file: _Reader) -> Container:
    (promised,) = file.unpack("<I", 4)
    file.need(8 + promised)
    if file.at(8, 4) != b"WEBP":
        raise ValueError("a RIFF file, not JPEG, PNG, TIFF, WebP or BMP")
    size, orientation, at = None, 1, 12
    while at + 8 <= 8 + promised:
        name, (count,) = file.at(at, 4), file.unpack("<I", at + 4)
        if name == b"VP8X":
            low_width, high_width, low_height, high_height = file.unpack("<HBHB", at + 12)
            size = _size(1 + low_height + (high_height << 16), 1 + low_width + (high_width << 16))
        elif name == b"VP8L" and size is None:
            (packed,) = file.unpack("<I", at + 9)
            size = _size(1 + (packed >> 14 & 0x3FFF), 1 + (packed & 0x3FFF))
        elif name == b"VP8 " and size is None:
            width, height = file.unpack("<HH", at + 14)
            size = _size(height & 0x3FFF, width & 0x3FFF)
        elif name == b"EXIF":
            orientation = _exif_orientation(file.at(at + 8, count).removeprefix(b"Exif\0\0"))
        at += 8 + count + count % 2
    if size is None:
        raise ValueError("WebP without image data")
    return Container("WEBP", size, orientation)


def _bmp(file: _Reader) -> Container:
    (start, header) = file.unpack("<II", 10)
    if header == 12:
        width, height, _, bits = file.unpack("<HHHH", 18)
        packing = 0
    else:
        width, height, _, bits, packing = file.unpack("<iiHHI", 18)
    size = _size(abs(height), width)
    if packing in (0, 3, 6):  # plain rows, each padded to four bytes
        file.need(start + (size.width * bits + 31) // 32 * 4 * size.height)
    return Container("BMP", size)


def _mat(file: _Reader) -> Container:
    order = "<" if file.at(126, 2) == b"IM" else ">"
    at = 128
    while at < file.length:
        at += 8 + file.unpack(order + "II", at)[1]
        file.need(at)
    shape = matfile.find_shape(file.handle, matfile.IMAGE)
    if len(shape) != 3 or shape[2] < 3:
        raise ValueError(f"MATLAB file whose {matfile.IMAGE!r} is {' x '.join(map(str, shape))}, not H x W x 3 or more")
    return Container("MAT", _size(*shape[:2]))


_TYPES = {1: "B", 3: "H", 4: "I", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_PHOTOMETRIC = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr"}


def _tiff(file: _Reader) -> Container:
    order, big, at = _tiff_start(file)
    pages: list[dict[int, tuple[int, ...]]] = []
    seen: set[int] = set()
    while at and at not in seen:  # also the later ones: an internal mask is a page of its own
        seen.add(at)
        tags, at = _tiff_page(file, order, big, at)
        pages.append(tags)
        for offsets, counts in ((273, 279), (324, 325)):
            for offset, count in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False):
                file.need(offset + count)
    if not pages or not ({273, 324} & set(pages[0])):
        raise ValueError("TIFF without image data")
    tags = pages[0]
    size = _size(tags.get(257, (0,))[0], tags.get(256, (0,))[0])
    bits, light = max(tags.get(258, (1,))), tags.get(262, (1,))[0]
    if light not in _PHOTOMETRIC:
        raise ValueError(f"TIFF color space {light} (such as Lab or raw sensor data) is not read; convert it to RGB")
    # GDAL gives stored values: right for bands of 8 bits and more, wrong for inks, palettes and packed bits
    raster = (bits >= 8 and light in (1, 2, 6)) or bits > 8
    if raster and light in (3, 5):
        raise ValueError(f"TIFF with {_PHOTOMETRIC[light]} colors of {bits} bits is not read; convert it to RGB")
    orientation = tags.get(274, (1,))[0]
    return Container("TIFF", size, orientation if 1 <= orientation <= 8 else 1, raster, white_is_zero=light == 0)


def _tiff_start(file: _Reader) -> tuple[str, bool, int]:
    """Byte order, whether it is a BigTIFF, and where the first page is described."""
    order = "<" if file.at(0, 2) == b"II" else ">"
    (version,) = file.unpack(order + "H", 2)
    if version not in (42, 43):
        raise ValueError("damaged TIFF header")
    (at,) = file.unpack(order + "Q", 8) if version == 43 else file.unpack(order + "I", 4)
    return order, version == 43, at


def _tiff_page(file: _Reader, order: str, big: bool, at: int) -> tuple[dict[int, tuple[int, ...]], int]:
    """The integer tags of one page, and where the next page is described (0: there is none)."""
    layout, entry, word = ("Q", 20, "Q") if big else ("H", 12, "I")
    (entries,) = file.unpack(order + layout, at)
    at += struct.calcsize(order + layout)
    tags: dict[int, tuple[int, ...]] = {}
    for start in range(at, at + entries * entry, entry):
        tag, kind, count = file.unpack(order + "HH" + word, start)
        inline = start + (12 if big else 8)
        length = count * _WIDTHS.get(kind, 1)
        where = inline if length <= (8 if big else 4) else file.unpack(order + word, inline)[0]
        file.need(where + length)
        if kind in _TYPES:
            tags[tag] = file.unpack(f"{order}{count}{_TYPES[kind]}", where)
    return {tag: values for tag, values in tags.items() if values}, file.unpack(order + word, at + entries * entry)[0]


def _exif_orientation(block: bytes) -> int:
    """The orientation in an EXIF block, which is a TIFF of its own; 1 where it says none or is damaged."""
    file = _Reader(io.BytesIO(block), len(block))
    try:
        order, big, at = _tiff_start(file)
        (entries,) = file.unpack(order + "H", at)
        for start in range(at + 2, at + 2 + 12 * entries, 12):
            tag, kind, _, value = file.unpack(order + "HHIH", start)
            if tag == 274 and kind == 3 and not big:
                return value if 1 <= value <= 8 else 1
    except ValueError:
        pass  # viewers show such a photograph unrotated too
    return 1


def _size(height: int, width: int) -> Size:
    if height < 1 or width < 1:
        raise ValueError(f"the header says {width} x {height} pixels")
    return Size(height, width)


_PARSERS: tuple[tuple[bytes, Callable[[_Reader], Container]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"II+\0", _tiff),
    (b"MM\0+", _tiff),
    (b"RIFF", _webp),
    (b"BM", _bmp),
    (b"MATLAB 5.0", _mat),
)
_FOREIGN = (
    (b"version https:/", "a Git LFS pointer (`git lfs pull` fetches the image)"),
    (b"ftyp", "a HEIC, AVIF or video file"),
    (b"GIF8", "a GIF file"),
    (b"MATLAB 7.3", "a MATLAB 7.3 file (save it with -v7)"),
    (b"%PDF", "a PDF file"),
    (b"<", "a web page or other text"),
)

"""What an image file says of itself before anything is decoded: kind, size, orientation, and whether it is whole.

Decoders differ in what they do with half a file (a full-size picture and a line on stderr, in the worst case), and
some of that is a switch any library in the process can flip. So the containers are walked here: every byte that the
header promises must be there. The formats are those of ITU T.81 (JPEG), the PNG specification, TIFF 6.0 and BigTIFF,
the WebP container specification, the Windows bitmap header, the MAT-file level 5 format, JPEG 2000 (part 1) and the ISO
base media file format of HEIC.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Size
from segpipe.base.shortage import raise_shortage
from segpipe.images import heic, jp2, matfile, tiff_header
from segpipe.images.container import ByteReader, Container, sized
from segpipe.images.tiff_header import exif_orientation
from segpipe.records.corpus import GONE

__all__ = ["BadImage", "Container", "inspect"]


class BadImage(CorpusError):
    """A file that cannot be used as an image. `reason` says why in a few words."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadImage], tuple[Path, str]]:
        return BadImage, (self.path, self.reason)  # survives the way back from a worker process


def inspect(path: Path) -> Container:
    """Look into an image file and check that it is whole.

    Raises:
        BadImage: not a file, empty, of another format, truncated or damaged.
        MachineError: it cannot be read, without its content being to blame.
    """
    try:
        if not path.is_file():
            raise BadImage(path, "not a file" if path.exists() else GONE)
        length = path.stat().st_size
        if length == 0:
            raise BadImage(path, "empty file (0 bytes)")
        with path.open("rb") as handle:
            return _parse(ByteReader(handle, length))
    except OSError as error:
        raise_shortage(path, error)
        raise BadImage(path, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise BadImage(path, str(error)) from error


def _parse(file: ByteReader) -> Container:
    start = file.at(0, min(16, file.length))
    for magic, parse in _PARSERS:
        if start.startswith(magic):
            return parse(file)
    if heic.is_heic(start):
        return heic.parse(file)
    for magic, name in _FOREIGN:
        if magic in start:
            raise ValueError(f"{name}, not JPEG, PNG, TIFF, WebP or BMP")
    raise ValueError("not an image: the content is not JPEG, PNG, TIFF, WebP or BMP")


_WITHOUT_LENGTH = (0x00, 0x01, *range(0xD0, 0xD9))


def _jpeg(file: ByteReader) -> Container:
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
        if marker in _WITHOUT_LENGTH or count < 2:  # where readers go on from here differs
            raise ValueError("damaged JPEG header")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            if size is not None:
                raise ValueError("damaged JPEG: two frame headers")
            size = sized(*file.unpack(">HH", at + 5))
        elif marker == 0xE1 and count > 16 and file.at(at + 4, 6) == b"Exif\0\0":
            orientation = exif_orientation(file.at(at + 10, count - 8))
        elif marker == 0xDA:  # start of scan: entropy-coded data follows, where FF D9 can only be the end marker
            break
        at += 2 + count
    if size is None:
        raise ValueError("JPEG without a frame header")
    if not _holds(file, b"\xff\xd9", at):
        raise ValueError("truncated: the end of the JPEG data is missing")
    return Container("JPEG", size, orientation)


def _holds(file: ByteReader, wanted: bytes, start: int) -> bool:
    """Whether `wanted` occurs after `start`; looked for from the end, where it usually is."""
    step, end = 1 << 16, file.length
    while end > start:
        begin = max(start, end - step)
        if wanted in file.at(begin, min(file.length, end + len(wanted) - 1) - begin):
            return True
        end = begin
    return False


def _png(file: ByteReader) -> Container:
    if file.at(8, 8) != b"\0\0\0\x0dIHDR":
        raise ValueError("damaged PNG: it does not begin with its header")
    width, height, bits = file.unpack(">IIB", 16)
    orientation, at = 1, 33
    while True:
        count, name = file.unpack(">I", at)[0], file.at(at + 4, 4)
        file.need(at + 12 + count)
        if name == b"IHDR":
            raise ValueError("damaged PNG: two headers")
        if name == b"eXIf":
            orientation = exif_orientation(file.at(at + 8, count))
        if name == b"IEND":
            return Container("PNG", sized(height, width), orientation, raster=bits > 8)
        at += 12 + count


def _webp(file: ByteReader) -> Container:
    (promised,) = file.unpack("<I", 4)
    file.need(8 + promised)
    if file.at(8, 4) != b"WEBP":
        raise ValueError("a RIFF file, not JPEG, PNG, TIFF, WebP or BMP")
    canvas: Size | None = None
    size: Size | None = None
    orientation, at = 1, 12
    while at + 8 <= 8 + promised:
        name, (count,) = file.at(at, 4), file.unpack("<I", at + 4)
        if name == b"VP8X":
            if at != 12:
                raise ValueError("damaged WebP: its header is not the first thing in it")
            low_width, high_width, low_height, high_height = file.unpack("<HBHB", at + 12)
            canvas = sized(1 + low_height + (high_height << 16), 1 + low_width + (high_width << 16))
        elif name in (b"VP8L", b"VP8 "):
            if size is not None:
                raise ValueError("damaged WebP: two pictures")
            size = _webp_frame(file, name, at + 8)
            if canvas not in (None, size):
                raise ValueError(f"damaged WebP: {size.width} x {size.height} pixels in a canvas of another size")
        elif name == b"EXIF":
            orientation = exif_orientation(file.at(at + 8, count).removeprefix(b"Exif\0\0"))
        at += 8 + count + count % 2
    size = canvas or size
    if size is None:
        raise ValueError("WebP without image data")
    return Container("WEBP", size, orientation)


def _webp_frame(file: ByteReader, name: bytes, at: int) -> Size:
    if name == b"VP8L":
        (packed,) = file.unpack("<I", at + 1)
        return sized(1 + (packed >> 14 & 0x3FFF), 1 + (packed & 0x3FFF))
    width, height = file.unpack("<HH", at + 6)
    return sized(height & 0x3FFF, width & 0x3FFF)


_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def _bmp(file: ByteReader) -> Container:
    (start, header) = file.unpack("<II", 10)
    if header not in _BMP_HEADERS:
        raise ValueError(f"damaged BMP: a header of {header} bytes")
    if header == 12:
        width, height, _, bits = file.unpack("<HHHH", 18)
        packing = 0
    else:
        width, height, _, bits, packing = file.unpack("<iiHHI", 18)
    size = sized(abs(height), width)
    if packing in (0, 3, 6):  # plain rows, each padded to four bytes
        file.need(start + (size.width * bits + 31) // 32 * 4 * size.height)
    return Container("BMP", size)


def _mat(file: ByteReader) -> Container:
    order = "<" if file.at(126, 2) == b"IM" else ">"
    at = 128
    while at < file.length:
        at += 8 + file.unpack(order + "II", at)[1]
        file.need(at)
    shape = matfile.find_shape(file.handle, matfile.IMAGE)
    if len(shape) != 3 or shape[2] < 3:
        raise ValueError(f"MATLAB file whose {matfile.IMAGE!r} is {' x '.join(map(str, shape))}, not H x W x 3 or more")
    return Container("MAT", sized(*shape[:2]))


_PARSERS: tuple[tuple[bytes, Callable[[ByteReader], Container]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"II*\0", tiff_header.parse),
    (b"MM\0*", tiff_header.parse),
    (b"II+\0", tiff_header.parse),
    (b"MM\0+", tiff_header.parse),
    (b"RIFF", _webp),
    (b"BM", _bmp),
    (b"MATLAB 5.0", _mat),
    (jp2.MAGIC, jp2.parse),
)
_FOREIGN = (
    (b"version https:/", "a Git LFS pointer (`git lfs pull` fetches the image)"),
    (b"ftyp", "an AVIF or video file (convert it: `magick IN OUT.jpg`)"),
    (b"GIF8", "a GIF file (convert it: `magick IN OUT.png`)"),
    (b"MATLAB 7.3", "a MATLAB 7.3 file (save it with -v7)"),
    (b"%PDF", "a PDF file"),
    (b"<", "a web page or other text"),
)

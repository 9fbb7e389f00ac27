"""Pictures and films that are small as files and large, endless or something else once they are read."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image

from trials.mutations import matlab_file, small_file


def pictures() -> Iterator[tuple[str, Callable[[], bytes], bool]]:
    """Name, how it is made, and whether it must be refused."""
    yield "decoy.png", _png_decoy, True
    yield "large.png", partial(_png, 100_000, 100_000, b""), True
    yield "negative.png", partial(_png, 0x7FFFFFFF, 0x7FFFFFFF, b""), True
    yield "ztxt.png", partial(_png_text, b"zTXt"), False
    yield "itxt.png", partial(_png_text, b"iTXt"), False
    yield "iccp.png", partial(_png_text, b"iCCP"), False
    yield "chunks.png", _png_many, False
    yield "tags.tif", _tiff_tags, True
    yield "twice.tif", _tiff_twice, True
    yield "large.tif", partial(_tiff, 0x7FFFFFFF, 0x7FFFFFFF), True
    yield "pages.tif", _tiff_pages, False
    yield "loop.tif", _tiff_loop, False
    yield "sparse.tif", _sparse, True
    yield "zeros.tif", _zeros, False
    yield "large.jpg", _jpeg_large, True
    yield "scans.jpg", _jpeg_scans, False
    yield "large.bmp", partial(_bmp, 0x7FFF, 0x7FFF), True
    yield "rle.bmp", partial(_bmp, 900, 900), False
    yield "frames.webp", _webp_frames, False
    yield "large.webp", _webp_large, True
    yield "gif.jpg", _gif, True
    yield "mat.png", _mat, True
    yield "half.mat.png", _mat_shape, True
    for name, content in _FOREIGN.items():
        yield name, partial(bytes, content), True
    yield "rate.avi", _avi_claims, False
    yield "boxes.mp4", _mp4_boxes, True


SLOW = {
    "ztxt.png",
    "itxt.png",
    "iccp.png",
    "zeros.tif",
    "sparse.tif",
    "tags.tif",
    "scans.jpg",
    "frames.webp",
    "pages.tif",
}
_FOREIGN = {
    "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/tmp/escaped) (w) file\n",
    "psd.jpg": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 30000, 30000, 8, 3) + bytes(99),
    "pdf.tif": b"%PDF-1.7\n" + b"x" * 999,
    "vrt.tif": b"<VRTDataset rasterXSize='9' rasterYSize='9'><VRTRasterBand dataType='Byte' band='1'><SimpleSource>"
    b"<SourceFilename>/etc/passwd</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>",
    "concat.mp4": b"ffconcat version 1.0\n" + b"file whole.png\n" * 6000,
    "hls.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1\nfile:///etc/passwd\n" * 99,
    "sdp.avi": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "exr.png": b"\x76\x2f\x31\x01" + bytes(999),
    "jp2.jpg": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(999),
    "heic.jpg": b"\0\0\0\x18ftypheic" + bytes(999),
    "gzip.png": zlib.compress(bytes(1 << 24)),
}


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


_MAGIC = b"\x89PNG\r\n\x1a\n"


def _header(width: int, height: int) -> bytes:
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def _png(width: int, height: int, middle: bytes, rows: int = 1) -> bytes:
    packed = zlib.compress(bytes((1 + 3 * min(width, 1000)) * rows))
    return _MAGIC + _header(width, height) + middle + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _png_decoy() -> bytes:
    """A chunk before the header, which holds a header of its own: readers differ in which they believe."""
    decoy = _chunk(b"teXt", _header(10, 10))
    packed = zlib.compress(bytes((1 + 3 * 30_000) * 300))
    return _MAGIC + decoy + _header(30_000, 30_000) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _png_text(kind: bytes) -> bytes:
    """Text or a color profile that inflates to a gigabyte."""
    stream = zlib.compressobj(9)
    packed = b"".join(stream.compress(bytes(1 << 24)) for _ in range(64)) + stream.flush()
    before = b"x\0\1\0\0\0" if kind == b"iTXt" else b"x\0\0"
    return _png(8, 8, _chunk(kind, before + packed), 8)


def _png_many() -> bytes:
    return _png(8, 8, _chunk(b"tEXt", b"a\0b") * 200_000, 8)


def _entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def _tiff(width: int, height: int, more: bytes = b"", room: int = 64) -> bytes:
    """A TIFF of one strip."""
    plain = [
        _entry(256, 4, 1, width), _entry(257, 4, 1, height), _entry(258, 3, 1, 8), _entry(259, 3, 1, 1),
        _entry(262, 3, 1, 1), _entry(273, 4, 1, 8), _entry(277, 3, 1, 1), _entry(278, 4, 1, height),
        _entry(279, 4, 1, room),
    ]  # fmt: skip
    count = len(plain) + len(more) // 12
    return (
        b"II*\0"
        + struct.pack("<I", 8 + room)
        + bytes(room)
        + struct.pack("<H", count)
        + b"".join(plain)
        + more
        + bytes(4)
    )


def _tiff_tags() -> bytes:
    """300 tags that all point to the same 8 MB."""
    room = 8 << 20
    return _tiff(8, 8, b"".join(_entry(40_000 + i, 1, room, 8) for i in range(300)), room)


def _tiff_twice() -> bytes:
    return _tiff(10, 10, _entry(256, 4, 1, 40_000) + _entry(257, 4, 1, 40_000))


def _tiff_pages() -> bytes:
    """9,000 pages."""
    page = _tiff(8, 8)[72:-4]
    out, at = bytearray(_tiff(8, 8)[:72]), 72
    for i in range(9000):
        at += len(page) + 4
        out += page + struct.pack("<I", at if i < 8999 else 0)
    return bytes(out)


def _tiff_loop() -> bytes:
    return _tiff(8, 8)[:-4] + struct.pack("<I", 72)


def _geotiff(side: int, **options: object) -> bytes:
    place = rasterio.Affine(2, 0, 9, 0, -2, 9)
    shape = {"height": side, "width": side, "count": 1, "dtype": "uint8", "crs": "EPSG:3857", "transform": place}
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", tiled=True, compress="deflate", bigtiff="yes", **shape, **options):
            pass
        return bytes(memory.read())


def _sparse() -> bytes:
    """10^12 pixels, none of which is stored."""
    return _geotiff(1_000_000, blockxsize=8192, blockysize=8192, sparse_ok=True)


def _zeros() -> bytes:
    """400 megapixels of zeros in a few hundred kilobytes."""
    return _geotiff(20_000, blockxsize=4096, blockysize=4096)


def _jpeg() -> bytes:
    return small_file("turned.jpg", Path())


def _jpeg_large() -> bytes:
    content = bytearray(_jpeg())
    at = content.index(b"\xff\xc2") + 5
    struct.pack_into(">HH", content, at, 65_500, 65_500)
    return bytes(content)


def _jpeg_scans() -> bytes:
    """The last scan 3,000 times, in a picture of one megapixel."""
    content = bytearray(_jpeg())
    at = content.index(b"\xff\xc2") + 5
    struct.pack_into(">HH", content, at, 1000, 1000)
    scan = content.rindex(b"\xff\xda")
    return bytes(content[:-2] + content[scan:-2] * 3000 + content[-2:])


def _bmp(width: int, height: int) -> bytes:
    """Run lengths that end at once."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 4, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 1082, 0, 0, 1078) + head + bytes(1024) + b"\0\1\0\1"


def _webp_frames() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (900, 900), (i % 256, 0, 0)) for i in range(300)]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], lossless=True, method=0)
    return out.getvalue()


def _webp_large() -> bytes:
    body = b"WEBPVP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", 0x3FFF | 0x3FFF << 14) + bytes(5)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _gif() -> bytes:
    out = io.BytesIO()
    Image.new("P", (900, 900)).save(
        out, "GIF", save_all=True, append_images=[Image.new("P", (900, 900), i) for i in range(99)]
    )
    return out.getvalue()


def _mat() -> bytes:
    return matlab_file("img", np.zeros((20_000, 10_000, 3), np.uint8))


def _mat_shape() -> bytes:
    """A shape of which hardly anything is there."""
    content = matlab_file("img", np.zeros((2, 2, 3), np.uint8))
    inner = bytearray(zlib.decompress(content[136:]))
    at = inner.index(struct.pack("<iii", 2, 2, 3))
    struct.pack_into("<ii", inner, at, 900, 900)
    packed = zlib.compress(bytes(inner))
    return content[:128] + struct.pack("<II", 15, len(packed)) + packed


def _avi_claims() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        content = bytearray(small_file("avi", Path(folder)))
    at = content.index(b"avih") + 8
    struct.pack_into("<I", content, at, 1)  # microseconds a frame
    struct.pack_into("<I", content, at + 16, 0xFFFFFFFF)  # frames
    return bytes(content)


def _mp4_boxes() -> bytes:
    deep = b""
    for _ in range(5000):
        deep = struct.pack(">I", 8 + len(deep)) + b"moov" + deep
    return struct.pack(">I", 16) + b"ftypisom\0\0\0\0" + deep

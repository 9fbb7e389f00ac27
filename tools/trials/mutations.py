"""Small files of every kind that is read, and seeded damage to them and to texts."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image

from segpipe.images.video_writing import write_video

FILMS = ("mp4", "fast.mp4", "avi", "webm")
_EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x80")
_PIECES = (
    *(",", ";", "\t", "\n", "\r", '"', "'", ": ", "- ", "{", "}", "[", "]", "#", "|", ">", "%", "\\", "---\n", "..."),
    *("-1", "0", "1e999", "nan", "inf", "65535", "9" * 30, "9" * 5000, "0x1F", "1:30", "2026-11-29", "null", "true"),
    *("\0", "\ufeff", "\u202e", "\u2028", "\x1b[31m", "é", "e\u0301", "\U0001f41f", "=1+1", "../..", "/", "~", "*?["),
    *(
        "&a [x]",
        "*a",
        "<<: *a",
        "!!python/object/apply:os.abort []",
        "!!binary aGk=",
        "[" * 60,
        "{a: " * 60,
        "a" * 9999,
    ),
)
"""What parsers stumble over."""
_HEIGHT, _WIDTH = 24, 32


def _rgb() -> Any:
    return np.random.default_rng(0).integers(0, 256, (_HEIGHT, _WIDTH, 3), dtype=np.uint8)


def _by_pillow(format_: str, **options: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(_rgb()).save(out, format_, **options)
    return out.getvalue()


def _palette() -> bytes:
    out = BytesIO()
    Image.fromarray(_rgb()).quantize(32).save(out, "PNG", transparency=3)
    return out.getvalue()


def _turned() -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return _by_pillow("JPEG", exif=exif, progressive=True)


def _geotiff(dtype: str, **options: Any) -> bytes:
    values = np.moveaxis(_rgb().astype(dtype) * np.dtype(dtype).type(99), -1, 0)
    shape = {"height": _HEIGHT, "width": _WIDTH, "count": 3, "dtype": dtype, "crs": "EPSG:3857"}
    with rasterio.MemoryFile() as memory, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with memory.open(driver="GTiff", transform=rasterio.Affine(2, 0, 9, 0, -2, 9), **shape, **options) as made:
            made.write(values)
        return bytes(memory.read())


def matlab_file(name: str, values: npt.NDArray[np.uint8]) -> bytes:
    """A MAT-file of level 5 with one variable of bytes, compressed."""

    def element(kind: int, content: bytes) -> bytes:
        return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)

    shape = struct.pack(f"<{values.ndim}i", *values.shape)
    parts = element(6, struct.pack("<II", 9, 0)) + element(5, shape) + element(1, name.encode("ascii"))
    packed = zlib.compress(element(14, parts + element(2, values.tobytes("F"))))
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    return header + struct.pack("<II", 15, len(packed)) + packed


_MADE: dict[str, Callable[[], bytes]] = {
    "jpg": lambda: _by_pillow("JPEG"),
    "turned.jpg": _turned,
    "png": lambda: _by_pillow("PNG"),
    "palette.png": _palette,
    "tif": lambda: _by_pillow("TIFF"),
    "jpeg.tif": lambda: _by_pillow("TIFF", compression="jpeg"),
    "webp": lambda: _by_pillow("WEBP"),
    "bmp": lambda: _by_pillow("BMP"),
    "geo.tif": lambda: _geotiff("uint16", compress="lzw"),
    "tiled.tif": lambda: _geotiff(
        "float32", compress="deflate", tiled=True, blockxsize=16, blockysize=16, bigtiff="yes", predictor=3
    ),
    "mat.png": lambda: matlab_file("img", _rgb()),
}
KINDS = (*_MADE, *FILMS)


def small_file(kind: str, folder: Path) -> bytes:
    """A whole file of a kind; `folder` is written to for films."""
    if kind not in FILMS:
        return _MADE[kind]()
    if kind == "fast.mp4":
        return _index_first(small_file("mp4", folder))
    path = folder / f"whole.{kind}"
    with write_video(path, fps=10.0) as append:
        for i in range(12):
            rgb = np.full((48, 64, 3), 20 * i, np.uint8)
            rgb[8:24, 3 * i : 3 * i + 16] = (220, 30, 30)
            append(rgb)
    return path.read_bytes()


def _index_first(film: bytes) -> bytes:
    """An MP4 file whose index (`moov`) stands before its frames, as the web wants it: half of it can be played."""
    start = film.index(b"mdat") - 4
    end = film.index(b"moov") - 4
    frames, index = film[start:end], bytearray(film[end:])
    at = index.index(b"stco") + 8
    (count,) = struct.unpack_from(">I", index, at)
    for place in range(at + 4, at + 4 + 4 * count, 4):
        struct.pack_into(">I", index, place, struct.unpack_from(">I", index, place)[0] + len(index))
    return film[:start] + bytes(index) + frames


def mutations(whole: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Bytes changed (more often near the start), pieces cut out, doubled or filled, and numbers made extreme."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        content = bytearray(whole)
        for _ in range(int(rng.integers(1, 6)) if rng.random() < 0.5 else 1):
            at = int(rng.integers(len(content)) if rng.random() < 0.5 else rng.integers(min(len(content), 200)))
            span = int(rng.integers(1, 40))
            way = int(rng.integers(5))
            if way == 0:
                content[at] = int(rng.integers(256))
            elif way == 1:
                del content[at : at + span]
            elif way == 2:
                content[at:at] = content[at : at + span]
            elif way == 3:
                content[at : at + 4] = _EXTREMES[int(rng.integers(len(_EXTREMES)))]
            else:
                content[at : at + span] = bytes(min(span, len(content) - at))
            if len(content) < 8:
                break
        yield bytes(content)


def text_mutations(whole: str, count: int, seed: int = 0) -> Iterator[bytes]:
    """Texts with what parsers stumble over put in, parts cut out, lines doubled or swapped; every fifth as bytes."""
    rng = np.random.default_rng(seed)
    damaged = mutations(whole.encode(), count, seed)
    for number in range(count):
        if number % 5 == 0:
            yield next(damaged)
            continue
        text = whole
        for _ in range(int(rng.integers(1, 4))):
            text = _changed(text, rng)
        yield text.encode("utf-16" if number % 50 == 1 else "utf-8")


def _changed(text: str, rng: np.random.Generator) -> str:
    at, span, way = int(rng.integers(len(text) + 1)), int(rng.integers(1, 20)), int(rng.integers(5))
    if way < 2:
        piece = _PIECES[int(rng.integers(len(_PIECES)))]
        return text[:at] + piece + text[at + span * way :]
    if way == 2:
        return text[:at] + text[at + span :]
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    i, j = int(rng.integers(len(lines))), int(rng.integers(len(lines)))
    if way == 3:
        return "".join((*lines[:i], lines[j], *lines[i:]))
    lines[i], lines[j] = lines[j], lines[i]
    return "".join(lines)


def cuts(length: int, count: int) -> list[int]:
    """About `count` lengths, evenly spread, from 1 byte to all but one."""
    return sorted({1 + i * (length - 2) // max(1, count - 1) for i in range(count)})

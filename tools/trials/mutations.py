"""Small files of every kind that is read, and seeded damage to them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image

from tests.helpers.films import write_film

_PILLOW = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "webp": "WEBP", "bmp": "BMP"}
_FILMS = ("mp4", "avi", "webm")
_EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x80")
KINDS = (*_PILLOW, "geo.tif", *_FILMS)


def small_file(kind: str, folder: Path) -> bytes:
    """A whole file of a kind; `folder` is written to for films."""
    rgb = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    if kind in _FILMS:
        return write_film(folder / f"whole.{kind}", [6]).read_bytes()
    if kind == "geo.tif":
        place = rasterio.Affine(2, 0, 9, 0, -2, 9)
        shape = {"height": 24, "width": 32, "count": 3, "dtype": "uint16", "compress": "lzw"}
        with rasterio.MemoryFile() as memory, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with memory.open(driver="GTiff", crs="EPSG:3857", transform=place, **shape) as made:
                made.write(np.moveaxis(rgb.astype(np.uint16) * 99, -1, 0))
            return memory.read()
    out = BytesIO()
    Image.fromarray(rgb).save(out, _PILLOW[kind])
    return out.getvalue()


def mutations(whole: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Bytes changed (more often near the start), pieces cut out, doubled or filled, and numbers made extreme."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        content = bytearray(whole)
        for _ in range(int(rng.integers(1, 6))):
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
                content[at : at + 4] = rng.choice(
                    [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x80"]
                )
            else:
                content[at : at + span] = bytes(min(span, len(content) - at))
            if len(content) < 8:
                break
        yield bytes(content)

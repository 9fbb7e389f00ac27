"""What a TIFF says of itself (TIFF 6.0, BigTIFF), and the orientation in an EXIF block, which is a TIFF of its own.

Readers differ in what they make of a tag that stands twice, and load every tag before they look at one. So no tag that
decides on the picture may stand twice, and the tags of a file together may not be larger than the file.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.images.container import ByteReader, Container, sized

_TYPES = {1: "u1", 3: "u2", 4: "u4", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_PHOTOMETRIC = {0: "gray", 1: "gray", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr"}
_WIDTH, _HEIGHT, _BITS, _LIGHT, _ORIENTATION, _SAMPLES = 256, 257, 258, 262, 274, 277
_PACKING, _SUBFILE, _OLD_SUBFILE = 259, 254, 255
_PACKINGS_NOT_READ = {
    **dict.fromkeys((33003, 33004, 33005, 34712), "JPEG 2000"),
    **dict.fromkeys((50002, 52546), "JPEG XL"),
    22610: "JPEG XR",
    34934: "JPEG XR",
    34661: "JBIG",
}
_PLACES = ((273, 279), (324, 325))
"""Tags of where strips and tiles lie, and how long they are."""
_DECIDES = {
    _SUBFILE,
    _OLD_SUBFILE,
    _WIDTH,
    _HEIGHT,
    _BITS,
    _PACKING,
    _LIGHT,
    _ORIENTATION,
    277,
    278,
    284,
    317,
    322,
    323,
    338,
    339,
}
_DECIDES |= {tag for pair in _PLACES for tag in pair}
_MOST_TAGS = 1000  # of a page; cameras and GDAL write fewer than 100
_MOST_PAGES = 10_000

Tags = dict[int, npt.NDArray[Any]]


def parse(file: ByteReader) -> Container:
    """The facts of a TIFF; a ValueError where it is damaged, cut short, or of a kind that is not read."""
    order, big, at = tiff_start(file)
    seen: set[int] = set()
    first: Tags = {}
    chosen, pages = 0, 0
    room = file.length
    while at and at not in seen:  # also the later pages: an internal mask is a page of its own
        if len(seen) >= _MOST_PAGES:
            raise ValueError(f"TIFF with more than {_MOST_PAGES} pages")
        seen.add(at)
        tags, at, taken = _page(file, order, big, at)
        room -= taken
        if room < 0:
            raise ValueError("damaged TIFF: its tags together are larger than the file")
        _check_places(file, tags)
        if not _is_beside(tags) and tags.keys() & {pair[0] for pair in _PLACES}:
            if not pages:
                first, chosen = tags, len(seen) - 1
            pages += 1
        first = first or tags  # where all are marked, the first page
    if not first.keys() & {pair[0] for pair in _PLACES}:
        raise ValueError("TIFF without image data")
    return replace(_container(first), page=chosen, pages=max(1, pages))


def _is_beside(tags: Tags) -> bool:
    """Whether a page is marked as a smaller version of another, or as its mask (NewSubfileType, SubfileType)."""
    return bool(_number(tags, _SUBFILE, 0) & 5) or _number(tags, _OLD_SUBFILE, 1) == 2


def _container(tags: Tags) -> Container:
    if any(len(tags.get(tag, ())) > 1 for tag in (_WIDTH, _HEIGHT)):
        raise ValueError("damaged TIFF: more than one width or height")
    size = sized(_number(tags, _HEIGHT, 0), _number(tags, _WIDTH, 0))
    packing = _number(tags, _PACKING, 1)
    if packing in _PACKINGS_NOT_READ:
        raise ValueError(
            f"TIFF packed with {_PACKINGS_NOT_READ[packing]} is not read; rewrite it with a program that does, such as "
            "`gdal_translate -co COMPRESS=DEFLATE IN OUT`"
        )
    bits, light = int(max(tags.get(_BITS, (1,)))), _number(tags, _LIGHT, 1)
    if light not in _PHOTOMETRIC:
        raise ValueError(f"TIFF color space {light} (such as Lab or raw sensor data) is not read; convert it to RGB")
    # GDAL gives stored values: right for bands of 8 bits and more and for palettes, wrong for inks and packed bits
    palette = light == 3 and _number(tags, _SAMPLES, 1) == 1
    raster = (bits >= 8 and light in (1, 2, 6)) or bits > 8 or palette
    if raster and light in (3, 5) and not palette:
        raise ValueError(f"TIFF with {_PHOTOMETRIC[light]} colors of {bits} bits is not read; convert it to RGB")
    orientation = _number(tags, _ORIENTATION, 1)
    return Container("TIFF", size, orientation if 1 <= orientation <= 8 else 1, raster, white_is_zero=light == 0)


def _number(tags: Tags, tag: int, default: int) -> int:
    return int(tags[tag][0]) if tag in tags else default


def _check_places(file: ByteReader, tags: Tags) -> None:
    """Every strip and tile must lie inside the file."""
    for offsets, counts in _PLACES:
        if offsets in tags and counts in tags:
            both = min(len(tags[offsets]), len(tags[counts]))
            # floats do not run over, and are exact far beyond the length of any file
            ends = tags[offsets][:both].astype(np.float64) + tags[counts][:both]
            file.need(int(ends.max()))


def tiff_start(file: ByteReader) -> tuple[str, bool, int]:
    """Byte order, whether it is a BigTIFF, and where the first page is described."""
    order = "<" if file.at(0, 2) == b"II" else ">"
    (version,) = file.unpack(order + "H", 2)
    if version not in (42, 43):
        raise ValueError("damaged TIFF header")
    (at,) = file.unpack(order + "Q", 8) if version == 43 else file.unpack(order + "I", 4)
    return order, version == 43, at


def _page(file: ByteReader, order: str, big: bool, at: int) -> tuple[Tags, int, int]:
    """The tags of one page that decide, where the next page is described (0: there is none), and the bytes of all."""
    layout, entry, word = ("Q", 20, "Q") if big else ("H", 12, "I")
    (entries,) = file.unpack(order + layout, at)
    if entries > _MOST_TAGS:
        raise ValueError(f"damaged TIFF: {entries} tags in a page")
    at += struct.calcsize(order + layout)
    tags: Tags = {}
    taken = 0
    for start in range(at, at + entries * entry, entry):
        tag, kind, count = file.unpack(order + "HH" + word, start)
        inline = start + (12 if big else 8)
        length = count * _WIDTHS.get(kind, 1)
        outside = length > (8 if big else 4)
        where = file.unpack(order + word, inline)[0] if outside else inline
        file.need(where + length)
        taken += length if outside else 0
        if tag in _DECIDES and kind in _TYPES and count:
            if tag in tags:
                raise ValueError(f"damaged TIFF: tag {tag} stands twice in a page")
            tags[tag] = np.frombuffer(file.at(where, length), order + _TYPES[kind])
    return tags, file.unpack(order + word, at + entries * entry)[0], taken


def exif_orientation(block: bytes) -> int:
    """The orientation in an EXIF block, which is a TIFF of its own; 1 where it says none or is damaged."""
    file = ByteReader(io.BytesIO(block), len(block))
    try:
        order, big, at = tiff_start(file)
        (entries,) = file.unpack(order + "H", at)
        for start in range(at + 2, at + 2 + 12 * entries, 12):
            tag, kind, _, value = file.unpack(order + "HHIH", start)
            if tag == 274 and kind == 3 and not big:
                return value if 1 <= value <= 8 else 1
    except ValueError:
        pass  # viewers show such a photograph unrotated too
    return 1

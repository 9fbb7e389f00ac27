import io
import struct
from typing import Any

import pytest
from PIL import Image

from segpipe.base.geometry import Size
from segpipe.images.container import ByteReader
from segpipe.images.tiff_header import exif_orientation, parse

Entry = tuple[int, int, int, bytes]
"""Tag, type, count, and the four bytes of its value or place."""


def long(value: int) -> bytes:
    return struct.pack("<I", value)


def tiff(entries: list[Entry], more: bytes = b"") -> ByteReader:
    content = b"II*\0" + long(8) + struct.pack("<H", len(entries))
    content += b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries) + long(0) + more
    return ByteReader(io.BytesIO(content), len(content))


def plain(width: int = 10, height: int = 10) -> list[Entry]:
    numbers = {256: width, 257: height, 258: 8, 262: 1, 273: 8, 277: 1, 278: height, 279: 100}
    return [(tag, 4, 1, long(value)) for tag, value in numbers.items()]


def test_a_plain_file_is_as_pillow_says() -> None:
    out = io.BytesIO()
    Image.new("L", (31, 17)).save(out, "TIFF")
    found = parse(ByteReader(out, len(out.getvalue())))
    assert (found.kind, found.size, found.raster) == ("TIFF", Size(17, 31), True)
    assert parse(tiff(plain(), bytes(100))).size == Size(10, 10)


@pytest.mark.parametrize("tag", [256, 257, 258, 273, 279])
def test_a_tag_that_decides_stands_once(tag: int) -> None:
    with pytest.raises(ValueError, match=f"tag {tag} stands twice"):
        parse(tiff([*plain(), (tag, 4, 1, long(40_000))], bytes(100)))


def test_two_widths_in_one_tag_are_refused() -> None:
    entries: list[Any] = [(256, 3, 2, struct.pack("<HH", 10, 40_000)), *plain()[1:]]
    with pytest.raises(ValueError, match="more than one width"):
        parse(tiff(entries, bytes(100)))


def test_tags_that_share_their_bytes_are_a_bomb() -> None:
    most = 1 << 16
    bomb = [(40_000 + i, 7, most, long(512)) for i in range(30)]
    with pytest.raises(ValueError, match="together are larger than the file"):
        parse(tiff(plain() + bomb, bytes(most + 1024)))
    assert parse(tiff(plain() + bomb[:1], bytes(most + 1024))).size == Size(10, 10)


def test_counts_are_bounded() -> None:
    with pytest.raises(ValueError, match="1009 tags in a page"):
        parse(tiff(plain() + [(50_000 + i, 4, 1, long(0)) for i in range(1001)], bytes(100)))
    with pytest.raises(ValueError, match="truncated"):
        parse(tiff([*plain()[:-1], (279, 4, 1, long(0xFFFFFFFF))], bytes(100)))


def test_the_orientation_of_a_block() -> None:
    exif = Image.Exif()
    exif[274] = 6
    assert exif_orientation(exif.tobytes().removeprefix(b"Exif\0\0")) == 6
    assert exif_orientation(b"II*\0") == 1

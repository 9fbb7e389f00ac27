import io
import os
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segpipe.base.geometry import Size
from segpipe.images.container import ByteReader
from segpipe.images.headers import BadImage, inspect
from segpipe.images.readers import read_image
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


# --- pages ------------------------------------------------------------------------------------------------------------


def write_pages(path: Path, pages: list[np.ndarray], kinds: list[int]) -> None:
    """Pages (H, W) or (H, W, 3) of a TIFF, each with its NewSubfileType."""
    images = [Image.fromarray(page) for page in pages]
    for image, kind in zip(images, kinds, strict=True):
        image.encoderinfo = {"tiffinfo": {254: kind}}
    images[0].save(path, save_all=True, append_images=images[1:], tiffinfo={254: kinds[0]})


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(
    ("kinds", "page", "count"),
    [([1, 0], 1, 1), ([4, 1, 0, 0], 2, 2), ([0, 1], 0, 1), ([1, 1], 0, 1), ([2] * 12, 0, 12)],
)
def test_the_image_is_the_first_page_that_is_no_thumbnail(
    tmp_path: Path, dtype: str, kinds: list[int], page: int, count: int
) -> None:
    rng = np.random.default_rng(0)
    sizes = [(20 + 3 * i, 30 + i) for i in range(len(kinds))]
    pages = [rng.integers(0, 256, size).astype(dtype) for size in sizes]
    write_pages(tmp_path / "a.tif", pages, kinds)
    with Image.open(tmp_path / "a.tif") as stored:
        for number, kind in enumerate(kinds):
            stored.seek(number)
            assert stored.tag_v2[254] == kind
    container = inspect(tmp_path / "a.tif")
    assert (container.page, container.pages) == (page, count)
    assert container.size == Size(*sizes[page])
    found = read_image(tmp_path / "a.tif", depth=dtype, scaling={"uint16": (0, 255)}).rgb
    np.testing.assert_array_equal(found[..., 0], pages[page])
    name = os.fsdecode(b"\xff.tif")
    shutil.copy(tmp_path / "a.tif", tmp_path / name)
    np.testing.assert_array_equal(
        read_image(tmp_path / name, depth=dtype, scaling={"uint16": (0, 255)}).rgb[..., 0], pages[page]
    )


@pytest.mark.parametrize(("code", "name"), [(34712, "JPEG 2000"), (50002, "JPEG XL"), (22610, "JPEG XR")])
def test_packings_that_are_not_read_name_a_way_out(tmp_path: Path, code: int, name: str) -> None:
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.tif")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    at = content.index(struct.pack("<HHI", 259, 3, 1)) + 8
    content[at : at + 2] = struct.pack("<H", code)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(BadImage, match=f"TIFF packed with {name} is not read; .*gdal_translate -co COMPRESS=DEFLATE"):
        inspect(tmp_path / "a.tif")

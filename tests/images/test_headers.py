import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.base.geometry import Size
from segpipe.images.headers import Container, inspect
from segpipe.images.readers import BadImage, probe_image

LIMIT = 10**7


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"\0" * 999, "not an image"),
        (b"hello", "not an image"),
        (b"\xff", "not an image"),
        (b"<html>not found</html>", "a web page"),
        (b"GIF89a" + bytes(50), "a GIF file"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "HEIC"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\xff\xd8\xff\xd9", "without image data"),
        (b"BM" + bytes(60), "header of 0 bytes"),
        (b"BM" + bytes(12) + b"\x28" + bytes(60), "0 x 0 pixels"),
    ],
)
def test_junk(tmp_path, content, reason):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(BadImage, match=reason) as caught:
        probe_image(tmp_path / "a.jpg", max_pixels=LIMIT)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "a.jpg"))


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "bmp"])
@pytest.mark.parametrize("size", [(1, 1), (31, 17), (300, 2)])
def test_size_and_orientation_are_those_that_pillow_tells(tmp_path, ending, size):
    picture = Image.new("RGB", size, (200, 30, 4))
    exif = Image.Exif()
    exif[274] = 6
    picture.save(tmp_path / "a", {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()), exif=exif)
    found = inspect(tmp_path / "a")
    with Image.open(tmp_path / "a") as opened:
        turned = opened.getexif().get(274, 1)
        assert found == Container(opened.format, Size(size[1], size[0]), turned, raster=ending == "tif")


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "bmp"])
def test_half_a_file_is_refused_by_its_header_alone(tmp_path, ending):
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / f"a.{ending}")
    whole = (tmp_path / f"a.{ending}").read_bytes()
    inspect(tmp_path / f"a.{ending}")
    (tmp_path / f"a.{ending}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadImage, match=r"truncated|missing"):
        inspect(tmp_path / f"a.{ending}")


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def reason_of(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(BadImage) as caught:
        inspect(path)
    return caught.value.reason


def test_a_png_has_one_header_and_begins_with_it(tmp_path: Path) -> None:
    small, large = (chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) for side in (10, 30_000))
    mark, end = b"\x89PNG\r\n\x1a\n", chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    decoy = chunk(b"teXt", small[8:21])
    assert "begin with its header" in reason_of(tmp_path / "a.png", mark + decoy + large + end)
    assert "two headers" in reason_of(tmp_path / "a.png", mark + small + large + end)


def test_a_jpeg_has_one_frame_header(tmp_path: Path) -> None:
    Image.new("RGB", (10, 10)).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    at = whole.index(b"\xff\xc0")
    header = whole[at : at + 2 + int.from_bytes(whole[at + 2 : at + 4], "big")]
    larger = header[:5] + struct.pack(">HH", 30_000, 30_000) + header[9:]
    assert "two frame headers" in reason_of(
        tmp_path / "b.jpg", whole[:at] + header + larger + whole[at + len(header) :]
    )
    skipped = b"\xff\x01" + struct.pack(">H", 2 + len(header)) + header  # TEM has no length: readers go on behind it
    assert reason_of(tmp_path / "b.jpg", whole[:at] + skipped + larger + whole[at:]) == "damaged JPEG header"


def test_a_webp_has_one_picture_of_the_size_of_its_canvas(tmp_path: Path) -> None:
    for side in (10, 20):
        Image.new("RGB", (side, side)).save(tmp_path / f"{side}.webp", lossless=True)
    small, large = ((tmp_path / f"{side}.webp").read_bytes()[12:] for side in (10, 20))
    canvas = b"VP8X" + struct.pack("<IIHBHB", 10, 0, 9, 0, 9, 0)

    def riff(content: bytes) -> bytes:
        return b"RIFF" + struct.pack("<I", 4 + len(content)) + b"WEBP" + content

    assert "two pictures" in reason_of(tmp_path / "a.webp", riff(small + large))
    assert "canvas of another size" in reason_of(tmp_path / "a.webp", riff(canvas + large))
    assert "not the first thing" in reason_of(tmp_path / "a.webp", riff(large + canvas))
    (tmp_path / "a.webp").write_bytes(riff(canvas + small))
    assert inspect(tmp_path / "a.webp").size == Size(10, 10)


def test_a_bmp_has_a_header_that_is_known(tmp_path: Path) -> None:
    Image.new("RGB", (10, 10)).save(tmp_path / "a.bmp")
    whole = bytearray((tmp_path / "a.bmp").read_bytes())
    whole[14:18] = struct.pack("<I", 41)
    assert "header of 41 bytes" in reason_of(tmp_path / "a.bmp", bytes(whole))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_the_decoder_s_size_is_the_header_s_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / name)
    container = replace(inspect(tmp_path / name), size=Size(10, 10))
    monkeypatch.setattr("segpipe.images.readers.inspect", lambda path: container)
    with pytest.raises(BadImage, match="30 x 20 pixels where its header says"):
        probe_image(tmp_path / name, max_pixels=100)

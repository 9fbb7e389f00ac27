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
        (b"BM" + bytes(60), "0 x 0 pixels"),
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

import pytest

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

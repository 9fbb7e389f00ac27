import io
from pathlib import Path

import numpy as np
import pytest

from segpipe.base.geometry import Size
from segpipe.images.container import ByteReader
from segpipe.images.headers import BadImage, inspect
from segpipe.images.jp2 import MAGIC, parse
from segpipe.images.readers import probe_image, read_image
from tests.helpers.bands import write_bands


def test_a_band_of_jpeg_2000_is_read_as_it_was_written(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).integers(0, 4000, (1, 20, 30)).astype(np.uint16)
    write_bands(tmp_path / "a.jp2", bands, driver="JP2OpenJPEG", meters=10)
    container = inspect(tmp_path / "a.jp2")
    assert (container.kind, container.size, container.raster) == ("JP2", Size(20, 30), True)
    assert probe_image(tmp_path / "a.jp2", max_pixels=1000).depth == "uint16"
    pixels = read_image(tmp_path / "a.jp2", depth="uint16", scaling={"uint16": (0.0, 255.0)})
    np.testing.assert_array_equal(pixels.rgb[..., 1], bands[0].clip(0, 255))


def test_every_cut_of_a_file_is_seen(tmp_path: Path) -> None:
    write_bands(tmp_path / "a.jp2", np.ones((1, 8, 8), np.uint8), driver="JP2OpenJPEG")
    content = (tmp_path / "a.jp2").read_bytes()
    for length in range(1, len(content) - 1):
        (tmp_path / "cut.jp2").write_bytes(content[:length])
        with pytest.raises(BadImage):
            inspect(tmp_path / "cut.jp2")


@pytest.mark.parametrize(
    ("boxes", "why"),
    [
        (b"\0\0\0\x04jp2h", "shorter than its header"),
        (b"\0\0\0\x10free12345678" * 1100, "no picture in its first"),
        (b"\0\0\0\x0ajp2c\xff\xd9", "no header before its picture"),
        (b"\0\0\0\x18jp2h\0\0\0\x10colr12345678", "damaged JP2 header"),
    ],
)
def test_damaged_boxes_are_refused(boxes: bytes, why: str) -> None:
    content = MAGIC + boxes
    with pytest.raises(ValueError, match=why):
        parse(ByteReader(io.BytesIO(content), len(content)))

"""Pictures that are written like an image of a corpus."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image as Pillow

from segpipe.base.geometry import Box, Size
from segpipe.commands.change.raster_writing import write_like
from segpipe.images.decoding import quiet
from segpipe.images.readers import Pixels
from segpipe.records.corpus import Image
from segpipe.records.geo import Geo

SIZE = Size(20, 30)
IMAGE = Image(id="a", path="a.jpg", size=SIZE, depth="uint8", sha256="", bytes=1)
RGB = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)


def read(box: Box) -> Pixels:
    valid = np.ones((20, 30), np.bool_)
    valid[:, :5] = False
    return Pixels(RGB, valid).cut(box)


def test_a_photograph_is_a_png(tmp_path: Path) -> None:
    path = write_like(IMAGE, tmp_path / "deep" / "site.1", SIZE, None, read)
    assert path == tmp_path / "deep" / "site.1.png"
    with Pillow.open(path) as picture:
        found = np.array(picture)
    np.testing.assert_array_equal(found[..., :3], RGB)
    assert (found[:, :5, 3].max(), found[:, 5:, 3].min()) == (0, 255)
    plain = write_like(IMAGE, tmp_path / "b", SIZE, None, lambda box: Pixels(RGB, None))
    with Pillow.open(plain) as picture:
        assert picture.mode == "RGB"


@pytest.mark.parametrize("mosaic", [True, False])
def test_a_mosaic_or_what_lies_on_the_earth_is_a_geotiff(tmp_path: Path, mosaic: bool) -> None:
    geo = None if mosaic else Geo("", (2.0, 0.0, 10.0, 0.0, -2.0, 50.0))
    path = write_like(replace(IMAGE, mosaic=mosaic), tmp_path / "m", SIZE, geo, read)
    with quiet(), rasterio.open(path) as file:
        assert file.count == 4
        np.testing.assert_array_equal(np.moveaxis(file.read([1, 2, 3]), 0, -1), RGB)
        assert file.read(4)[:, :5].max() == 0
        if geo is not None:
            assert tuple(file.transform)[:6] == geo.transform

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from segpipe.images.exif import place, read_gps
from segpipe.images.headers import inspect

SOUTH_EAST = {1: "S", 2: (16.0, 30.0, 36.0), 3: "E", 4: (145.0, 45.0, 0.0)}


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_the_camera_s_place_is_read(tmp_path: Path, ending: str) -> None:
    exif = Pillow.Exif()
    exif[271] = "a maker"
    exif.get_ifd(0x8825).update(SOUTH_EAST)
    path = tmp_path / f"a.{ending}"
    Pillow.fromarray(np.zeros((8, 9, 3), np.uint8)).save(path, exif=exif)
    assert read_gps(path, inspect(path)) == pytest.approx((-16.51, 145.75), abs=1e-9)


def test_a_tiff_s_place_is_read(tmp_path: Path) -> None:
    tags = ImageFileDirectory_v2()
    tags[0x8825] = SOUTH_EAST
    path = tmp_path / "a.tif"
    Pillow.fromarray(np.zeros((8, 9, 3), np.uint8)).save(path, tiffinfo=tags)
    assert read_gps(path, inspect(path)) == pytest.approx((-16.51, 145.75), abs=1e-9)


def test_a_photograph_without_a_place_has_none(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.bmp"):
        Pillow.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / name)
        assert read_gps(tmp_path / name, inspect(tmp_path / name)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {2: (96.0, 0.0, 0.0)},  # beyond the pole
        {4: (float("nan"), 0.0, 0.0)},
        {2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)},  # no fix
        {4: (IFDRational(1, 0), 0.0, 0.0)},
        {1: None},
    ],
)
def test_nonsense_is_no_place(changes: dict[int, Any]) -> None:
    block = {key: value for key, value in {**SOUTH_EAST, **changes}.items() if value is not None}
    assert place(block) is None

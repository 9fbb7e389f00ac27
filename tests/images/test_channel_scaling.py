from pathlib import Path

import numpy as np
import pytest

from segpipe.base.geometry import Size
from segpipe.base.guarded import Guards
from segpipe.images.channel_scaling import scale_channels
from segpipe.images.crop_plan import CropPlan
from segpipe.images.headers import inspect
from segpipe.images.mosaics import probe_mosaic
from segpipe.records.corpus import Image, valid_path
from segpipe.records.view import View
from tests.helpers.bands import write_bands

PLAN = CropPlan("whole", 32, 0.5, (), 1 << 20)


def test_each_channel_has_the_percentiles_of_all_images_and_8_bits_stay(tmp_path: Path) -> None:
    rng, images, stored = np.random.default_rng(0), [], []
    view = View(channels=("gray", "1000x", "heat"), layers=("gray=", "1000x=B", "heat=C"))
    for name in "ab":
        bands = [rng.integers(0, 256, (60, 60)), rng.normal(20_000, 3_000, (60, 60)), rng.normal(0, 5, (60, 60))]
        for band, ending, dtype in zip(bands, ("", "_b", "_c"), (np.uint8, np.uint16, np.float32), strict=True):
            write_bands(tmp_path / f"{name}{ending}.tif", band.astype(dtype)[None])
        stored.append(bands)
        own = View(channels=view.channels, layers=("gray=", f"1000x={name}_b.tif", f"heat={name}_c.tif"))
        images.append(Image(name, f"{name}.tif", Size(60, 60), "float32", name, 1, view=own))
    with Guards(1 << 30) as guards:
        found = scale_channels(images, tmp_path, tmp_path, plan=PLAN, guards=guards)
    assert list(found) == ["float32 gray", "float32 1000x", "float32 heat"]
    assert found["float32 gray"] == (0.0, 255.0)
    for i, name in ((1, "float32 1000x"), (2, "float32 heat")):
        exact = np.percentile([bands[i] for bands in stored], (0.5, 99.5))
        assert found[name] == pytest.approx(tuple(exact), rel=0.05)


def test_a_mosaic_is_sampled_where_it_holds_image_and_a_constant_channel_becomes_black(tmp_path: Path) -> None:
    bands = np.full((2, 100, 100), 500, np.uint16)
    bands[0] = np.arange(100)[:, None] + 1000
    bands[:, :50] = 0
    write_bands(tmp_path / "m.tif", bands, nodata=0, meters=1)
    view = View(channels=("1", "2"))
    path = tmp_path / "m.tif"
    valid_path(tmp_path, "m").parent.mkdir()
    probe_mosaic(path, inspect(path), valid_path(tmp_path, "m"), view=view)
    image = Image("m", "m.tif", Size(100, 100), "uint16", "m", 1, mosaic=True, view=view)
    with Guards(1 << 30) as guards:
        found = scale_channels([image], tmp_path, tmp_path, plan=PLAN, guards=guards)
    assert found["uint16 1"] == pytest.approx((1050, 1099), abs=2)
    assert found["uint16 2"] == (500.0, 501.0)


def test_a_band_without_data_where_others_have_some_is_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    bands = rng.integers(1000, 1100, (2, 60, 60)).astype(np.uint16)
    bands[1, :12] = 0
    write_bands(tmp_path / "a.tif", bands, nodata=0)
    image = Image("a", "a.tif", Size(60, 60), "uint16", "a", 1, view=View(channels=("1", "2")))
    with Guards(1 << 30) as guards:
        found = scale_channels([image], tmp_path, tmp_path, plan=PLAN, guards=guards)
    assert found["uint16 1"] == pytest.approx((1000, 1099), abs=2)
    assert found["uint16 2"] == pytest.approx((1000, 1099), abs=2)

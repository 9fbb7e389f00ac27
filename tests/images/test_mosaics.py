from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image as Pillow
from rasterio.transform import Affine

from segpipe.base.geometry import Box, Size
from segpipe.images import mosaics
from segpipe.images.headers import BadImage, inspect
from segpipe.images.mosaics import is_mosaic, open_mosaic, probe_mosaic, sample_mosaic, showing
from segpipe.images.readers import read_image
from segpipe.records.view import View

UTM = Affine(0.0123456789012345, 0, 345678.123456789, 0, -0.0123456789012345, 8123456.987654321)


def write(path: Path, bands: np.ndarray, *, mask: np.ndarray | None = None, **options: Any) -> None:
    """Bands (b, H, W) as a GeoTIFF."""
    count, height, width = bands.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype.name}
    place = {"crs": "EPSG:32755", "transform": UTM}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **{**profile, **place, **options}) as out,
    ):
        out.write(bands)
        if mask is not None:
            out.write_mask(mask)


def read_picture(path: Path) -> np.ndarray:
    """Of valid pixels, by another library."""
    with Pillow.open(path) as picture:
        return np.asarray(picture.convert("L"))


def noise(shape: tuple[int, int, int], dtype: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.normal(size=shape).astype(np.float32)
    return rng.integers(1, np.iinfo(dtype).max, shape, dtype=dtype)


@pytest.mark.parametrize("layout", [{"tiled": True, "blockxsize": 32, "blockysize": 16}, {"blockysize": 7}])
@pytest.mark.parametrize("kind", ["plain", "nodata", "alpha", "mask", "uint16", "float32", "one", "bands"])
def test_boxes_are_equal_to_parts_of_the_whole(tmp_path: Path, kind: str, layout: dict[str, Any]) -> None:
    depth = kind if kind in ("uint16", "float32") else "uint8"
    count = {"alpha": 4, "one": 1, "bands": 5}.get(kind, 3)
    bands = noise((count, 75, 101), depth)
    holes = np.random.default_rng(1).random((75, 101)) < 0.3
    options: dict[str, Any] = dict(layout)
    wanted = (5, 3, 1) if kind == "bands" else ()
    mask = None
    if kind == "nodata":
        bands[:, holes], options["nodata"] = 7, 7
    elif kind == "alpha":
        bands[3], options["photometric"], options["alpha"] = np.where(holes, 0, 255), "rgb", "yes"
    elif kind == "mask":
        mask = np.where(holes, 0, 255).astype(np.uint8)
    elif kind == "float32":
        bands[1, holes] = np.nan
    path, valid = tmp_path / "a.tif", tmp_path / "valid.tif"
    write(path, bands, mask=mask, **options)
    scaling = {"uint16": (1000.0, 50_000.0), "float32": (-2.0, 2.0)}
    whole = read_image(path, depth=depth, scaling=scaling, view=View(wanted))
    probe = probe_mosaic(path, inspect(path), valid, view=View(wanted))
    assert (probe.size, probe.depth) == (Size(75, 101), depth)
    rng = np.random.default_rng(2)
    limits = scaling.get(depth, (0.0, 255.0))
    with open_mosaic(path, valid, depth=depth, scaling=limits, view=View(wanted)) as (size, read):
        assert size == Size(75, 101)
        for _ in range(20):
            top, left = int(rng.integers(75)), int(rng.integers(101))
            box = Box(top, left, int(rng.integers(1, 76 - top)), int(rng.integers(1, 102 - left)))
            part = read(box)
            np.testing.assert_array_equal(part.rgb, whole.rgb[box.slices])
            expected = np.ones(75 * 101, bool).reshape(75, 101) if whole.valid is None else whole.valid
            found = np.ones((box.height, box.width), bool) if part.valid is None else part.valid
            np.testing.assert_array_equal(found, expected[box.slices])


@pytest.mark.parametrize("value", [0, 255])
def test_a_collar_is_no_image_but_the_same_color_inside_is(tmp_path: Path, value: int) -> None:
    bands = noise((3, 90, 120), "uint8").clip(1, 254)
    y, x = np.mgrid[:90, :120]
    collar = (x + y < 40) | (x - y > 90)
    inside = (y > 50) & (y < 70) & (x > 50) & (x < 70)
    bands[:, collar | inside] = value
    write(tmp_path / "a.tif", bands, blockysize=16)
    probe_mosaic(tmp_path / "a.tif", inspect(tmp_path / "a.tif"), tmp_path / "v.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "v.tif") == 0, collar)


def test_a_file_that_states_its_no_data_has_no_collar(tmp_path: Path) -> None:
    bands = noise((3, 60, 60), "uint8").clip(1, 254)
    bands[:, :30] = 0
    write(tmp_path / "a.tif", bands, nodata=255)
    probe_mosaic(tmp_path / "a.tif", inspect(tmp_path / "a.tif"), tmp_path / "v.tif")
    assert read_picture(tmp_path / "v.tif").all()


def test_windows_without_image_are_left_out(tmp_path: Path) -> None:
    bands = noise((1, 64, 64), "uint8").clip(1, 254)
    bands[:, :, :40] = 0
    write(tmp_path / "a.tif", bands, nodata=0)
    probe_mosaic(tmp_path / "a.tif", inspect(tmp_path / "a.tif"), tmp_path / "v.tif")
    boxes = [Box(0, 0, 64, 40), Box(0, 0, 64, 41), Box(10, 40, 5, 5)]
    assert showing(tmp_path / "v.tif", boxes) == boxes[1:]


def test_nothing_valid_and_blocks_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    write(path, np.full((3, 40, 40), 255, np.uint8), nodata=255)
    with pytest.raises(BadImage, match="no pixel holds image"):
        probe_mosaic(path, inspect(path), tmp_path / "v.tif")
    assert not (tmp_path / "v.tif").exists()
    write(path, noise((3, 40, 40), "uint8"), blockysize=40, compress="deflate")
    monkeypatch.setattr(mosaics, "_BLOCK_BYTES", 1000)
    with pytest.raises(BadImage, match=r"stored in blocks of 40 x 40 pixels.*gdal_translate -of COG"):
        probe_mosaic(path, inspect(path), tmp_path / "v.tif")


def test_a_mosaic_of_which_hardly_anything_is_stored_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, valid = tmp_path / "a.tif", tmp_path / "valid.tif"
    shape = {"height": 1_000_000, "width": 1_000_000, "count": 1, "dtype": "uint8", "blockxsize": 8192}
    options = {"tiled": True, "blockysize": 8192, "sparse_ok": True, "bigtiff": "yes", "compress": "deflate"}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32755", transform=UTM, **shape, **options):
        pass
    assert path.stat().st_size < 1 << 20
    with pytest.raises(BadImage, match=r"1000000 x 1000000 pixels in \d+ bytes, so nearly all are empty"):
        probe_mosaic(path, inspect(path), valid)
    assert not valid.exists()
    monkeypatch.setattr(mosaics, "_FEW_PIXELS", 0)
    zeros = np.zeros((1, 2048, 2048), np.uint8)
    zeros[0, 0, 0] = 1
    write(path, zeros, compress="deflate", zlevel=9, tiled=True, blockxsize=1024, blockysize=1024, nodata=255)
    assert probe_mosaic(path, inspect(path), valid).size == Size(2048, 2048)  # as small as deflate makes it


def test_what_is_read_by_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.tif", noise((3, 40, 50), "uint8"))
    container = inspect(tmp_path / "a.tif")
    assert is_mosaic(container, georeferenced=True, window=49)
    assert not is_mosaic(container, georeferenced=True, window=50)
    assert not is_mosaic(container, georeferenced=False, window=49)
    monkeypatch.setattr(mosaics, "LARGE", 1999)
    assert is_mosaic(container, georeferenced=False, window=50)


def test_samples_are_stored_values_of_valid_pixels(tmp_path: Path) -> None:
    bands = noise((3, 50, 60), "uint16")
    bands[:, :25] = 9
    write(tmp_path / "a.tif", bands, nodata=9)
    probe_mosaic(tmp_path / "a.tif", inspect(tmp_path / "a.tif"), tmp_path / "v.tif")
    boxes = [Box(0, 0, 50, 30), Box(0, 30, 50, 30)]
    values = sample_mosaic(tmp_path / "a.tif", tmp_path / "v.tif", boxes, count=600, rng=np.random.default_rng(0))
    assert len(values) == 1800
    assert np.isin(values, bands[:, 25:]).all()


def test_a_damaged_block_is_told(tmp_path: Path) -> None:
    path, valid = tmp_path / "a.tif", tmp_path / "v.tif"
    write(path, noise((3, 64, 64), "uint8"), tiled=True, blockxsize=16, blockysize=16, compress="deflate")
    probe_mosaic(path, inspect(path), valid)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    path.write_bytes(content)
    with (
        open_mosaic(path, valid, depth="uint8", scaling=(0, 255)) as (_, read),
        pytest.raises(BadImage, match="cannot be decoded"),
    ):
        read(Box(0, 0, 64, 64))


def test_an_error_of_the_reader_is_not_the_file_s(tmp_path: Path) -> None:
    path, valid = tmp_path / "a.tif", tmp_path / "v.tif"
    write(path, noise((3, 20, 20), "uint8"))
    probe_mosaic(path, inspect(path), valid)
    with pytest.raises(KeyError), open_mosaic(path, valid, depth="uint8", scaling=(0, 255)):
        raise KeyError("mine")


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "nodata"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_rows_of_large_blocks_are_taken_block_by_block_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, interleave: str
) -> None:
    rng = np.random.default_rng(4)
    dtype = np.dtype("uint8" if kind == "nodata" else kind)
    values = rng.integers(1, 200, (3, 700, 1100)).astype(dtype)
    values[:, rng.random((700, 1100)) < 0.4] = 0
    values[:, :, :100] = 0
    values[:, 600:, 500:] = np.nan if kind == "float32" else np.iinfo(dtype).max
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=700, width=1100, count=3, dtype=dtype, tiled=True,
        blockxsize=256, blockysize=256, interleave=interleave, nodata=0 if kind == "nodata" else None,
        crs="EPSG:3857", transform=rasterio.Affine(2, 0, 9, 0, -2, 9),
    ) as out:  # fmt: skip
        out.write(values)
    container, found = inspect(tmp_path / "a.tif"), []
    monkeypatch.setattr(mosaics, "_SLAB_PIXELS", 1)
    for most in (1 << 25, 0):
        monkeypatch.setattr(mosaics, "_ROW_PIXELS", most)
        mosaics.probe_mosaic(tmp_path / "a.tif", container, tmp_path / f"{most}.tif")
        found.append(read_picture(tmp_path / f"{most}.tif") > 0)
    np.testing.assert_array_equal(*found)
    assert 0 < found[0].mean() < 1

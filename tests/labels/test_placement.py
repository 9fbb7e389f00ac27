"""Label rasters say of themselves what is no data and where they lie; held to GDAL's own reprojection."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.warp import Resampling, reproject

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.labels.ground_truth import read_truth
from segpipe.labels.label_maps import open_label_map, read_label_map
from segpipe.labels.placement import UNLABELLED, Placement, is_moved, place_labels
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.geo import Geo

UTM = CRS.from_epsg(32733)
SIZE = Size(40, 60)
GRID = Affine(0.5, 0, 400_000, 0, -0.5, 8_000_000)
WHOLE = Box(0, 0, SIZE.height, SIZE.width)


def image(grid: Affine = GRID, crs: CRS | None = UTM, *, mosaic: bool = False) -> Image:
    geo = Geo(crs.to_wkt() if crs else "", tuple(grid)[:6])
    return Image("a", "a.tif", SIZE, "uint8", "", 1, geo=geo, mosaic=mosaic)


def write(path: Path, labels: np.ndarray, grid: Affine | None, crs: CRS | None = UTM, **options: object) -> Path:
    height, width = labels.shape
    shape = {"height": height, "width": width, "count": 1, "dtype": labels.dtype}
    place = {} if grid is None else {"transform": grid, "crs": crs}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place, **options) as file:
        file.write(labels, 1)
    return path


def drawn(shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 4, shape).astype(np.uint8)


def by_gdal(labels: np.ndarray, grid: Affine, wanted: Affine) -> np.ndarray:
    found = np.full((SIZE.height, SIZE.width), 255, np.uint8)
    places = {"src_transform": grid, "dst_transform": wanted, "src_crs": UTM, "dst_crs": UTM}
    reproject(labels, found, **places, resampling=Resampling.nearest, src_nodata=255, dst_nodata=255)
    return np.where(found == 255, UNLABELLED, found.astype(np.int32))


GRIDS = {
    "16 m west": (GRID @ Affine.translation(-32, 0), (40, 60)),
    "a larger raster": (GRID @ Affine.translation(-7, -11), (70, 90)),
    "a part": (GRID @ Affine.translation(5, 9), (20, 30)),
    "south-up": (GRID @ Affine(1, 0, 0, 0, -1, 40), (40, 60)),
    "mirrored and moved": (GRID @ Affine(-1, 0, 55, 0, -1, 37), (40, 60)),
    "rounded coordinates": (Affine(0.5, 0, 400_000.01, 0, -0.5, 7_999_999.99), (40, 60)),
}


@pytest.mark.parametrize("mosaic", [False, True])
@pytest.mark.parametrize("name", GRIDS)
def test_labels_lie_where_their_coordinates_say(tmp_path: Path, name: str, mosaic: bool) -> None:
    grid, shape = GRIDS[name]
    labels = drawn(shape)
    path, one = write(tmp_path / "a.tif", labels, grid), image(mosaic=mosaic)
    wanted = by_gdal(labels, grid, GRID)
    assert (wanted >= 0).any()
    np.testing.assert_array_equal(read_label_map(path, one), wanted)
    with open_label_map(path, one) as read:
        for box in (WHOLE, Box(3, 40, 20, 20), Box(39, 59, 1, 1), Box(0, 0, 1, 1)):
            np.testing.assert_array_equal(read(box), wanted[box.slices])
    assert is_moved(path, one) == (name != "rounded coordinates")


def test_north_up_labels_of_a_south_up_mosaic_are_turned(tmp_path: Path) -> None:
    """Compared pixel by pixel they scored 79.0 instead of 100."""
    south_up = GRID @ Affine(1, 0, 0, 0, -1, 40)
    stored = drawn()
    path = write(tmp_path / "a.tif", stored, GRID)
    np.testing.assert_array_equal(read_label_map(path, image(south_up)), stored[::-1])


@pytest.mark.parametrize(
    ("grid", "crs", "message"),
    [
        (GRID @ Affine.translation(0.5, 0), UTM, "no whole pixels apart, or not of one size"),
        (GRID @ Affine.scale(2), UTM, r"labels of pixels 1 x -1 from 400000, 8000000 for a.tif of pixels 0.5 x -0.5"),
        (GRID @ Affine.rotation(10), UTM, "no whole pixels apart"),
        (GRID @ Affine(0, 1, 0, 1, 0, 0), UTM, "no whole pixels apart"),
        (GRID @ Affine.translation(100, 0), UTM, "share no pixel with a.tif"),
        (GRID, CRS.from_epsg(32734), "labels in EPSG:32734 for a.tif in EPSG:32733"),
    ],
)
def test_what_is_not_on_the_grid_is_refused_and_both_are_named(
    tmp_path: Path, grid: Affine, crs: CRS, message: str
) -> None:
    path = write(tmp_path / "a.tif", drawn(), grid, crs)
    for mosaic in (False, True):
        with pytest.raises(UsageError, match=message), open_label_map(path, image(mosaic=mosaic)):
            pass


def test_without_coordinates_on_both_sides_rows_and_columns_count(tmp_path: Path) -> None:
    labels = drawn()
    bare = replace(image(), geo=None)
    far = write(tmp_path / "far.tif", labels, GRID @ Affine.translation(-32, 0))
    np.testing.assert_array_equal(read_label_map(far, bare), labels)
    with rasterio.Env(), pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        plain = write(tmp_path / "plain.tif", labels, None)
    np.testing.assert_array_equal(read_label_map(plain, image()), labels)
    unnamed = write(tmp_path / "unnamed.tif", labels, GRID @ Affine.translation(-32, 0), None)
    found = read_label_map(unnamed, image())  # a grid without a system is in that of the image
    assert (found[:, :28] == labels[:, 32:]).all()


@pytest.mark.parametrize("mosaic", [False, True])
@pytest.mark.parametrize("nodata", [0, 99])
def test_declared_no_data_is_no_class(tmp_path: Path, nodata: int, mosaic: bool) -> None:
    """It became a fifth class: 67.0 instead of 93.4."""
    labels = drawn() + np.uint8(1)
    labels[:10] = nodata
    labels[10, :5] = 255
    write(tmp_path / "a.tif", labels, GRID, nodata=nodata)
    wanted = np.where((labels == nodata) | (labels == 255), UNLABELLED, labels.astype(np.int32))
    one = image(mosaic=mosaic)
    with open_label_map(tmp_path / "a.tif", one) as read:
        np.testing.assert_array_equal(read(WHOLE), wanted)
    corpus = Corpus(tmp_path, (one,), (Crop(0, WHOLE),))
    assert read_truth(tmp_path, None, corpus, Runtime()).classes == tuple(f"label {k}" for k in (1, 2, 3, 4))


def test_masks_of_0_and_255_alone_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    corpus = Corpus(tmp_path, (image(),), (Crop(0, WHOLE),))
    write(tmp_path / "a.tif", np.where(drawn() > 1, 255, 0).astype(np.uint8), GRID)
    assert read_truth(tmp_path, None, corpus, Runtime()).classes == ("label 0",)
    assert "hold nothing but 0 and pixels that are not labelled (255)" in caplog.text
    caplog.clear()
    write(tmp_path / "a.tif", np.where(drawn() > 1, 1, 0).astype(np.uint8), GRID @ Affine.translation(-4, 0))
    with caplog.at_level("INFO"):
        read_truth(tmp_path, None, corpus, Runtime())
    assert "255" not in caplog.text
    assert "1 label maps lie elsewhere" in caplog.text


@given(st.integers(-9, 9), st.sampled_from([1, -1]), st.integers(1, 12), st.data())
def test_boxes_hold_what_the_whole_holds(first: int, step: int, most: int, data: st.DataObject) -> None:
    stored = np.arange(most * 5, dtype=np.int32).reshape(most, 5)
    placed = Placement(Size(most, 5), (first, step))
    whole = np.full((10, 5), UNLABELLED, np.int32)
    for row in range(10):
        if 0 <= first + step * row < most:
            whole[row] = stored[first + step * row]
    top, left = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 4))
    box = Box(top, left, data.draw(st.integers(1, 10 - top)), data.draw(st.integers(1, 5 - left)))
    np.testing.assert_array_equal(placed.read(box, lambda part: stored[part.slices]), whole[box.slices])


def test_a_png_has_neither(tmp_path: Path) -> None:
    PIL.Image.new("L", (6, 4)).save(tmp_path / "a.png", transparency=0)
    assert place_labels(tmp_path / "a.png", image(), Size(4, 6)) == Placement(Size(4, 6))

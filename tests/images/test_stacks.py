from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.geometry import Box, Size
from segpipe.images import rasters
from segpipe.images.decoding import quiet
from segpipe.images.headers import inspect
from segpipe.images.readers import read_image
from segpipe.images.stacks import Stack, display_of, find_band, open_layers, open_view
from segpipe.records.view import View
from tests.helpers.bands import write_bands

NAMES = ("B02", "B03", "B04", "B08")


@pytest.fixture
def raster(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A file of four bands of 16 bits."""
    bands = np.random.default_rng(0).integers(1, 5000, (4, 40, 60)).astype(np.uint16)
    write_bands(tmp_path / "a.tif", bands, NAMES)
    return tmp_path / "a.tif", bands


def whole(path: Path, view: View) -> tuple[np.ndarray, np.ndarray | None, Stack]:
    container = inspect(path)
    with quiet(), open_view(path, container, view) as (stack, bands):
        box = Box(0, 0, stack.height, stack.width)
        return *rasters.read_values(stack, container, bands, box), stack


def test_channels_are_bands_by_name_and_number_and_formulas(raster: tuple[Path, np.ndarray]) -> None:
    path, bands = raster
    values, valid, stack = whole(path, View(channels=("b08", "2")))
    assert values.dtype == np.uint16
    assert valid is None
    np.testing.assert_array_equal(values, bands[[3, 1]].transpose(1, 2, 0))
    values, _, stack = whole(path, View(channels=("B04", "ndvi"), math=("ndvi=(B08 - b3) / (B08 + b3)",)))
    assert stack.dtypes == ("float32",)
    red, nir = bands[2].astype(np.float64), bands[3].astype(np.float64)
    np.testing.assert_allclose(values[..., 1], (nir - red) / (nir + red), atol=1e-6)
    np.testing.assert_array_equal(values[..., 0], bands[2])


def test_boxes_of_a_stack_of_several_resolutions_are_those_of_the_whole(
    raster: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    path, _ = raster
    coarse = np.arange(20 * 30, dtype=np.uint16).reshape(1, 20, 30)
    odd = np.arange(27 * 40, dtype=np.float32).reshape(1, 27, 40)
    write_bands(tmp_path / "a_swir.tif", coarse)
    write_bands(tmp_path / "a_heat.tif", odd)
    view = View(channels=("B02", "swir", "heat"), layers=("=", "swir=a_swir.tif", "heat=a_heat.tif"))
    values, _, _ = whole(path, view)
    np.testing.assert_array_equal(values[..., 1], coarse[0].repeat(2, axis=0).repeat(2, axis=1))
    container = inspect(path)
    with quiet(), open_view(path, container, view) as (stack, bands):
        assert rasters.depth_of(stack) == "float32"
        for box in (Box(0, 0, 7, 9), Box(13, 21, 20, 39), Box(39, 59, 1, 1)):
            found, _ = rasters.read_values(stack, container, bands, box)
            np.testing.assert_array_equal(found, values[box.slices])
        small = rasters.read_scaled(stack, container, bands, Box(0, 0, 40, 60), Size(20, 30))
    assert small.shape == (20, 30, 3)
    assert set(small[..., 1].ravel().tolist()) <= set(coarse.ravel().tolist())


def test_a_pixel_is_no_image_where_all_files_say_so_or_any(tmp_path: Path) -> None:
    first, second = np.full((1, 8, 8), 5, np.uint16), np.full((1, 8, 8), 7, np.uint16)
    first[0, :4], second[0, 2:6] = 0, 0
    write_bands(tmp_path / "x_a.tif", first, nodata=0)
    write_bands(tmp_path / "x_b.tif", second, nodata=0)
    layers = ("a=", "b=x_b.tif")
    _, valid, stack = whole(tmp_path / "x_a.tif", View(channels=("a", "b"), layers=layers))
    assert stack.eight == (False, False)
    assert valid is not None
    assert (~valid[:, 0]).tolist() == [False, False, True, True, False, False, False, False]
    _, strict, _ = whole(tmp_path / "x_a.tif", View(channels=("a", "b"), layers=layers, any_band=True))
    assert strict is not None
    assert (~strict[:, 0]).tolist() == [True] * 6 + [False] * 2


@pytest.mark.parametrize("fill", [0, -9999])
def test_a_formula_has_no_value_where_an_integer_band_has_no_data_or_it_divides_by_zero(
    tmp_path: Path, fill: int
) -> None:
    red = np.array([[[4, fill, 4, fill, -2, 5]]], np.int16).repeat(2, axis=1)
    nir = np.array([[[8, 8, fill, fill, 2, 5]]], np.int16).repeat(2, axis=1)
    write_bands(tmp_path / "a.tif", np.concatenate([red, nir]), ("B04", "B08"), nodata=fill)
    math = ("ndvi=(B08-B04)/(B08+B04)",)
    wanted = [1 / 3, np.nan, np.nan, np.nan, np.nan, 0]
    for channels, any_band, good in (
        (("ndvi",), False, [1, 0, 0, 0, 0, 1]),
        (("ndvi", "B08"), False, [1, 1, 0, 0, 1, 1]),  # the near infrared is looked at too, and shows something
        (("ndvi", "B08"), True, [1, 0, 0, 0, 0, 1]),
    ):
        values, valid, _ = whole(tmp_path / "a.tif", View(channels=channels, math=math, any_band=any_band))
        np.testing.assert_allclose(values[..., 0], [wanted, wanted], rtol=1e-6)
        np.testing.assert_array_equal(valid, [good, good])


def test_a_formula_has_no_value_where_the_file_of_a_band_says_that_there_is_no_image(tmp_path: Path) -> None:
    rgba = np.full((2, 3, 4), 10, np.uint8)
    rgba[:, 1, 3] = 0
    Pillow.fromarray(rgba).save(tmp_path / "a.png")
    write_bands(tmp_path / "a_heat.tif", np.full((1, 2, 3), 30, np.uint16))
    layers = ("=", "heat=a_heat.tif")
    values, valid, _ = whole(tmp_path / "a.png", View(channels=("heat", "x"), math=("x=heat/red",), layers=layers))
    assert valid is not None
    assert valid.all()
    np.testing.assert_array_equal(values[0], [[30, 3], [30, np.nan], [30, 3]])


def test_a_photograph_and_a_thermal_image_are_one_image_as_displayed(tmp_path: Path) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    exif = Pillow.Exif()
    exif[274] = 6  # shown turned to the right
    Pillow.fromarray(rgb).save(tmp_path / "a.png", exif=exif)
    heat = np.linspace(20, 40, 20 * 15, dtype=np.float32).reshape(1, 20, 15)
    write_bands(tmp_path / "a_thermal.tif", heat)
    view = View(channels=("red", "green", "blue", "thermal"), layers=("=", "thermal=a_thermal.tif"))
    scaling = {f"float32 {name}": (0.0, 255.0) for name in view.channels[:3]} | {"float32 thermal": (20.0, 40.0)}
    with quiet():
        pixels = read_image(tmp_path / "a.png", depth="float32", scaling=scaling, view=view)
    assert pixels.channels is not None
    np.testing.assert_array_equal(pixels.rgb, np.rot90(rgb, -1))
    np.testing.assert_array_equal(pixels.channels[..., :3], pixels.rgb)
    assert pixels.channels[0, 0, 3] == 0
    assert pixels.channels[-1, -1, 3] == 255
    part = pixels.cut(Box(2, 3, 4, 5))
    assert part.channels is not None
    assert part.channels.shape == (4, 5, 4)


def test_a_file_of_another_shape_is_refused(raster: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    write_bands(tmp_path / "a_nir.tif", np.ones((1, 40, 50), np.uint16))
    view = View(channels=("B02", "nir"), layers=("=", "nir=a_nir.tif"))
    with (
        quiet(),
        pytest.raises(ValueError, match=r"a_nir.tif beside it is 50 x 40 pixels.* than 60 x 40"),
        open_view(raster[0], inspect(raster[0]), view),
    ):
        pass


def test_a_missing_band_is_named_with_those_that_are_there(raster: tuple[Path, np.ndarray]) -> None:
    with quiet(), ExitStack() as opening:
        layers = open_layers(opening, raster[0], inspect(raster[0]), View())
        assert find_band("4", layers) == find_band("B08", layers) == (0, 3)
        assert find_band("b1", layers) == (0, 0)
        with pytest.raises(ValueError, match=r"has the bands B02, B03, B04, B08, and none of them is 'B11'"):
            find_band("B11", layers)


def test_people_are_shown_red_green_and_blue() -> None:
    assert display_of(["B1", "B2", "B3", "B4", "B5"]) == [3, 2, 1]
    assert display_of(["nir", "Blue", "green", "RED"]) == [3, 2, 1]
    assert display_of(["vv", "vh", "dem", "x"]) == [0, 1, 2]
    assert display_of(["dem"]) == [0, 0, 0]

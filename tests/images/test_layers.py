from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.geometry import Box, Size
from segpipe.images.decoding import quiet
from segpipe.images.headers import inspect
from segpipe.images.layers import near_window, nearest, open_layer
from segpipe.records.view import View
from tests.helpers.bands import write_bands


def test_bands_without_names_or_with_the_same_are_called_by_their_numbers(tmp_path: Path) -> None:
    bands = np.arange(4 * 6 * 5, dtype=np.float32).reshape(4, 6, 5)
    write_bands(tmp_path / "a.tif", bands, ["red", "", "x", "X"], nodata=7)
    with quiet(), open_layer(tmp_path / "a.tif", inspect(tmp_path / "a.tif"), View()) as layer:
        assert layer.names == ("red", "2", "3", "4")
        assert layer.image == (0, 1, 2, 3)
        assert layer.size == Size(6, 5)
        values, valid = layer.read([3, 0], Box(1, 2, 3, 2))
        small = layer.reduced([1], Box(0, 0, 6, 5), Size(3, 5))
        assert layer.states([0])
    np.testing.assert_array_equal(values[..., 0], bands[3, 1:4, 2:4])
    assert np.isnan(values[0, 0, 1])  # its one sample without data; the other band has some
    assert valid is not None
    assert valid.all()
    assert small.shape == (3, 5, 1)


def test_a_rule_calls_the_one_band_of_a_file_or_numbers_several(tmp_path: Path) -> None:
    write_bands(tmp_path / "one.tif", np.ones((1, 4, 4), np.uint8))
    write_bands(tmp_path / "two.tif", np.ones((2, 4, 4), np.uint8))
    Pillow.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "gray.png")
    Pillow.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "color.png")
    names = {}
    for name in ("one.tif", "two.tif", "gray.png", "color.png"):
        with quiet(), open_layer(tmp_path / name, inspect(tmp_path / name), View(), "nir") as layer:
            names[name] = layer.names
    assert names == {
        "one.tif": ("nir",),
        "two.tif": ("nir1", "nir2"),
        "gray.png": ("nir",),
        "color.png": ("nir1", "nir2", "nir3"),
    }


def test_a_photograph_has_red_green_and_blue_and_its_alpha_is_no_band(tmp_path: Path) -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (6, 8, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[0, :, 3] = 0
    Pillow.fromarray(rgba).save(tmp_path / "a.png")
    with open_layer(tmp_path / "a.png", inspect(tmp_path / "a.png"), View()) as layer:
        assert layer.names == ("red", "green", "blue")
        assert layer.states([0])
        values, valid = layer.read([2], Box(0, 0, 2, 8))
        assert layer.reduced([0, 1], Box(0, 0, 6, 8), Size(3, 4)).shape == (3, 4, 2)
    np.testing.assert_array_equal(values[..., 0], rgba[:2, :, 2])
    assert valid is not None
    assert valid.any(axis=1).tolist() == [False, True]


def test_a_palette_is_refused(tmp_path: Path) -> None:
    picture = Pillow.fromarray(np.zeros((4, 4), np.uint8)).convert("P")
    picture.save(tmp_path / "p.tif")
    with (
        quiet(),
        pytest.raises(ValueError, match="a palette has no bands to choose"),
        open_layer(tmp_path / "p.tif", inspect(tmp_path / "p.tif"), View()),
    ):
        pass


def test_nearest_places_do_not_depend_on_the_window() -> None:
    assert nearest(4, 2).tolist() == [0, 0, 1, 1]
    assert nearest(2, 4).tolist() == [1, 3]
    every = near_window(0, 40, 40, 13)[1].tolist()
    assert every == nearest(40, 13).tolist()
    first, places = near_window(17, 25, 40, 13)
    assert (first + places).tolist() == every[17:25]

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from segpipe.images.bands import choose, numbers, resolve
from tests.images.test_rasters import noise, write

SENTINEL = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
OLI = tuple(f"SR_B{i}" for i in range(1, 8))
TM = ("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7")


def chosen(path: Path, wanted: Any = (), *, names: tuple[str, ...] = (), count: int = 0, kinds: Any = ()) -> Any:
    bands = noise((count or len(names), 8, 9), "uint16")
    write(path, bands, photometric="minisblack")
    with rasterio.open(path, "r+") as out:
        for i, name in enumerate(names, 1):
            out.set_band_description(i, name)
        if kinds:
            out.colorinterp = kinds
    with rasterio.open(path) as dataset:
        return choose(dataset, wanted)


@pytest.mark.parametrize(
    ("names", "expected", "why"),
    [
        (SENTINEL, (3, 2, 1), "Sentinel-2"),
        (OLI, (4, 3, 2), "Landsat 8 or 9"),
        (TM, (3, 2, 1), "Landsat 4 to 7"),
        (("Blue", "green", "RED", "nir"), (3, 2, 1), "by their names"),
        (("depth", "slope", "aspect", "x", "y"), (), "the first ones"),
    ],
)
def test_names_decide(tmp_path: Path, names: tuple[str, ...], expected: tuple[int, ...], why: str) -> None:
    bands, note = chosen(tmp_path / "a.tif", names=names)
    assert bands == expected
    assert why in note
    assert f"of {len(names)} bands" in note


def test_colors_of_the_file_decide(tmp_path: Path) -> None:
    kinds = [ColorInterp.undefined, ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.alpha]
    assert chosen(tmp_path / "a.tif", count=5, kinds=kinds)[0] == (4, 3, 2)
    usual = [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
    assert chosen(tmp_path / "b.tif", count=3, kinds=usual) == ((), "")


def test_bands_are_named(tmp_path: Path) -> None:
    assert chosen(tmp_path / "a.tif", ("B12", "b08", 1), names=SENTINEL)[0] == (10, 7, 1)
    bands, note = chosen(tmp_path / "a.tif", (3, 2, 1), names=SENTINEL)
    assert bands == ()  # the corpus holds them
    assert "3 B04, 2 B03, 1 B02 are looked at as red, green, blue (as index.bands says)" in note
    assert (numbers((3, 2, 1)), numbers(("B04", 2, 1)), numbers(())) == ((3, 2, 1), (), ())


def test_a_guess_is_told(tmp_path: Path) -> None:
    assert "such as 3,2,1 if these are Sentinel-2's" in chosen(tmp_path / "a.tif", count=10)[1]


@pytest.mark.parametrize("wanted", [(13, 3, 2), ("B13", "B03", "B02")])
def test_what_is_not_there_is_refused_with_what_is(tmp_path: Path, wanted: Any) -> None:
    chosen(tmp_path / "a.tif", names=SENTINEL)
    with rasterio.open(tmp_path / "a.tif") as dataset, pytest.raises(ValueError, match=r"has 10 bands \(1 B02, 2 B03"):
        resolve(dataset, wanted)
    assert np.all(resolve(dataset, (10,)) == (10,))

from pathlib import Path

import numpy as np
import pytest

from segpipe.base.geometry import Size
from segpipe.images.decoding import quiet
from segpipe.images.headers import BadImage, inspect
from segpipe.images.stack_plan import StackPlan
from segpipe.images.stack_views import alike, find_stack
from segpipe.records.corpus import Image
from segpipe.records.view import View, view_of, view_row
from tests.helpers.bands import write_bands


def look(path: Path, plan: StackPlan, layers: tuple[str, ...] = ()) -> View:
    with quiet():
        return find_stack(path, inspect(path), plan, layers, any_band=False).view


def test_channels_are_those_named_then_files_beside_then_formulas(tmp_path: Path) -> None:
    write_bands(tmp_path / "a.tif", np.ones((4, 8, 8), np.uint16), ["B02", "B03", "B04", "B08"])
    write_bands(tmp_path / "a_heat.tif", np.ones((1, 8, 8), np.float32))
    layers = ("=", "heat=a_heat.tif")
    plan = StackPlan(("B08", "B04"), ("ndvi=(B08-B04)/(B08+B04)", "x=heat*2"), beside=("_heat",))
    found = look(tmp_path / "a.tif", plan, layers)
    assert found.channels == ("B08", "B04", "heat", "ndvi", "x")
    assert view_of(view_row(found)) == found
    every = look(tmp_path / "a.tif", StackPlan(beside=("_heat",)), layers)
    assert every.channels == ("B02", "B03", "B04", "B08", "heat")
    ordered = StackPlan(("ndvi", 4), ("ndvi=(B08-B04)/(B08+B04)",))
    assert look(tmp_path / "a.tif", ordered).channels == ("ndvi", "4")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    write_bands(tmp_path / "a.tif", np.ones((3, 8, 8), np.uint16), ["B02", "B03", "B04"])
    for plan in (StackPlan(("B02", "B08")), StackPlan((), ("x=B08/B02",))):
        with pytest.raises(BadImage, match=r"^.*a.tif: has the bands B02, B03, B04, and none of them is 'B08'"):
            look(tmp_path / "a.tif", plan)
    with pytest.raises(BadImage, match="not all called differently"):
        look(tmp_path / "a.tif", StackPlan(("B02", "b02")))


def test_missing_pixels_of_the_first_file_are_judged_as_ever(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).normal(0, 1, (2, 32, 32)).astype(np.float32)
    bands[:, :8] = -9999
    write_bands(tmp_path / "a.tif", bands)
    with quiet():
        found = find_stack(tmp_path / "a.tif", inspect(tmp_path / "a.tif"), StackPlan((1, 2)), (), any_band=True)
    assert found.view.fill == -9999
    assert found.view.any_band
    assert found.notes[0] == "channels 1, 2; shown as red, green, blue: 1, 2, 2"
    assert "taken for no data" in found.notes[1]


def test_images_of_other_channels_than_most_are_left_out() -> None:
    def image(name: str, *channels: str) -> Image:
        return Image(name, f"{name}.tif", Size(4, 4), "uint16", name, 1, view=View(channels=channels))

    kept, others = alike([image("a", "x", "y"), image("b", "x"), image("c", "x", "y")])
    assert [each.id for each in kept] == ["a", "c"]
    assert [(each.path, each.reason) for each in others] == [("b.tif", "has channels x where most have x, y")]

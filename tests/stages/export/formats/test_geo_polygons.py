"""Polygons, areas and layers of masks drawn by hand, and of planted ones against scipy's regions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from scipy import ndimage

from segpipe.stages.export.formats.geo_polygons import Shapes, batches, layers_of, read_shapes
from segpipe.stages.export.formats.source import Source
from tests.helpers.planted_export import NAMES, SIZES, named, plant, with_mask


def drawn(name: str) -> np.ndarray:
    """A board of 4 x 6 pixels with a hole, in which lie two clusters of one class."""
    mask = np.full(SIZES[name], 255, np.uint8)
    mask[2:6, 3:9] = 0
    mask[3, 4:6] = 1, 2
    return mask


def shapes_of(source: Source, name: str) -> Shapes:
    layer = layers_of(source)[[image.id for image in source.corpus.images].index(name)]
    (shapes,) = read_shapes(source, named(source, name), layer)
    return shapes


def test_outlines_follow_pixels_and_are_measured_in_them(tmp_path: Path) -> None:
    source = with_mask(plant(tmp_path, names=("photo",)), "photo", drawn("photo"))
    (layer,) = layers_of(source)
    assert (layer.name, layer.crs, layer.area, layer.perimeter) == ("pixels", "", "area_px", "perimeter_px")
    shapes = shapes_of(source, "photo")
    board, pair = np.argsort(shapes.classes)
    assert shapes.names.tolist() == [NAMES[k] for k in shapes.classes]
    assert shapes.images.tolist() == ["photo"] * 2
    assert (shapes.areas[board], shapes.areas[pair]) == (24 - 2, 2)
    assert (shapes.perimeters[board], shapes.perimeters[pair]) == (20 + 6, 6)  # the hole's outline too
    # x = column, y = -row
    expected = shapely.difference(shapely.box(3, -6, 9, -2), shapely.box(4, -4, 6, -3))
    assert shapely.equals(shapes.polygons[board], expected)
    assert shapely.equals(shapes.polygons[pair], shapely.box(4, -4, 6, -3))


@pytest.mark.parametrize(
    ("name", "settings", "side"),
    [
        ("photo", {"gsd": 0.1}, 0.1),
        ("rotated/ü 1", {}, 0.5),
        ("rotated/ü 1", {"gsd": 9.0}, 0.5),
        ("no system", {}, 1.0),
    ],
)
def test_lengths_are_those_of_the_coordinates_else_of_the_setting_else_pixels(
    tmp_path: Path, name: str, settings: dict[str, float], side: float
) -> None:
    """A pixel of the rotated image is 0.5 m wide; of the one without a system nobody knows its 2 units."""
    source = with_mask(plant(tmp_path, names=(name,), **settings), name, drawn(name))
    (layer,) = layers_of(source)
    assert layer.metric == (side != 1)
    shapes = shapes_of(source, name)
    np.testing.assert_allclose(np.sort(shapes.areas), np.array([2, 22]) * side**2)
    np.testing.assert_allclose(np.sort(shapes.perimeters), np.array([6, 26]) * side)


def test_polygons_lie_where_the_images_pixels_do(tmp_path: Path) -> None:
    name = "rotated/ü 1"
    source = with_mask(plant(tmp_path, names=(name,)), name, drawn(name))
    # x = 0.3 col + 0.4 row, y = 0.4 col - 0.3 row of the corners of columns 4 to 6, row 3
    corners = [(5e5 + x, 4e6 + y) for x, y in ((2.4, 0.7), (3.0, 1.5), (3.4, 1.2), (2.8, 0.4))]
    shapes = shapes_of(source, name)
    pair = shapes.polygons[shapes.classes.argmax()]
    assert shapely.normalize(pair).equals_exact(shapely.normalize(shapely.Polygon(corners)), 1e-6)
    assert shapely.is_ccw(shapely.get_exterior_ring(shapes.polygons)).all()


def test_images_of_one_system_share_a_layer_and_no_layer_takes_a_name_that_is_taken(tmp_path: Path) -> None:
    source = plant(tmp_path)
    layers = layers_of(source)
    by_name = {layer.name: layer for layer in layers}
    assert [*by_name] == ["epsg_32633", "epsg_32634", "epsg_4326", "dive_site", "unnamed", "pixels"]
    assert all(layer is by_name[layer.name] for layer in layers)
    assert [layer.name for layer in layers[-3:]] == ["pixels"] * 3
    images = tuple(
        replace(image, id=name) for image, name in zip(source.corpus.images, ("a", "A", "layer_styles"), strict=False)
    )
    some = replace(source, corpus=replace(source.corpus, images=images, crops=source.corpus.crops[:3]))
    each = replace(some, settings=some.settings.model_copy(update={"layers": "image"}))
    assert [layer.name for layer in layers_of(each)] == ["a", "A 2", "layer_styles 2"]


def regions(source: Source, name: str) -> int:
    mask = source.mask(named(source, name))
    return sum(ndimage.label(mask == k)[1] for k in range(len(NAMES)))


@pytest.mark.parametrize("layers", ["crs", "image"])
@pytest.mark.parametrize("size", [1, 20_000])
def test_batches_hold_every_region_once_and_every_layer_at_least_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, layers: str
) -> None:
    monkeypatch.setattr("segpipe.stages.export.formats.geo_polygons._BATCH", size)
    names = ("north up", "south up", "photo")
    source = plant(tmp_path, names=names, layers=layers)
    source = with_mask(source, "photo", np.full(SIZES["photo"], 255, np.uint8))  # alone in its layer
    found: dict[str, int] = {}
    told: list[str] = []
    for layer, shapes in batches(source, "images"):
        told.append(layer.name)
        assert len({*map(len, (shapes.polygons, shapes.classes, shapes.names, shapes.areas, shapes.images))}) == 1
        for image in shapes.images:
            found[image] = found.get(image, 0) + 1
    assert found == {name: regions(source, name) for name in names if name != "photo"}
    assert {*told} == {layer.name for layer in layers_of(source)}
    assert len(told) == (2 if layers == "crs" and size > 1 else 3)


def test_polygons_come_in_parts_of_so_many_corners_unless_corners_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = plant(tmp_path, names=("photo",))
    (layer,), image = layers_of(source), named(source, "photo")
    (whole,) = read_shapes(source, image, layer)
    monkeypatch.setattr("segpipe.stages.export.formats.geo_polygons._CORNERS", 40)
    parts = [*read_shapes(source, image, layer)]
    assert len(parts) > 3
    assert (np.concatenate([part.polygons for part in parts]) == whole.polygons).all()
    simple = replace(source, settings=source.settings.model_copy(update={"simplify": 2.0}))
    (dropped,) = read_shapes(simple, image, layer)
    assert len(dropped.polygons) == len(whole.polygons)
    assert shapely.get_num_coordinates(dropped.polygons).sum() < shapely.get_num_coordinates(whole.polygons).sum()
    assert dropped.areas.sum() == pytest.approx(whole.areas.sum())

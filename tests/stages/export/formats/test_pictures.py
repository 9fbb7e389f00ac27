"""Masks as pictures, read by Pillow; the table of classes, read by csv."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import CorpusError
from segpipe.base.runtime import Runtime
from segpipe.records.palette import class_colors
from segpipe.stages import export
from segpipe.stages.export.formats import pictures
from segpipe.store import masks
from segpipe.store.run_dir import RunDir
from tests.helpers.export_run import CLASSES, SIZES
from tests.helpers.planted_export import COLORS, LEFT_OUT, in_tiles, named, plant, with_mask


def test_an_exported_mask_is_a_copy(run_dir: RunDir) -> None:
    export.run(export.Config(formats=("png",)), run_dir, Runtime())
    with (run_dir.path("export") / "png/one.png").open("r+b") as file:
        file.write(b"edited")
    masks.read_mask(run_dir.root / "masks/one.png")


def test_the_class_table_counts_pixels_and_images(run_dir: RunDir) -> None:
    export.run(export.Config(formats=("classes",)), run_dir, Runtime())
    with (run_dir.path("export") / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    every = [masks.read_mask(run_dir.root / f"masks/{name}.png") for name in SIZES]
    total = sum(int((mask < CLASSES).sum()) for mask in every)
    assert [int(row["class"]) for row in rows] == list(range(CLASSES))
    for k, row in enumerate(rows):
        pixels = sum(int((mask == k).sum()) for mask in every)
        assert int(row["pixels"]) == pixels
        assert float(row["share"]) == pytest.approx(pixels / total, abs=1e-6)
        assert int(row["images"]) == sum(bool((mask == k).any()) for mask in every)
        assert row["color"] == "#" + bytes(class_colors(CLASSES)[k].tolist()).hex()
    assert rows[CLASSES - 1]["pixels"] == "0"


@pytest.mark.parametrize("mosaic", [False, True])
def test_clusters_that_are_one_class_have_its_number_and_color(tmp_path: Path, mosaic: bool) -> None:
    source = plant(tmp_path, names=("photo",), legend=LEFT_OUT)
    source = in_tiles(source, "photo", 32) if mosaic else source
    expected = source.mask(named(source, "photo"))
    assert set(np.unique(expected)) == {0, 1, 2, 255}
    assert pictures.export_png(source, tmp_path / "out") == pictures.export_color(source, tmp_path / "out") == 1
    with Pillow.open(tmp_path / "out/png/photo.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), expected)
        palette = picture.getpalette()
        assert palette is not None
        assert palette[:9] == COLORS[:3].ravel().tolist()
    with Pillow.open(tmp_path / "out/color/photo.png") as picture:
        colors = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(colors[expected < 3], COLORS[expected[expected < 3]])
    assert not colors[expected == 255].any()


def test_an_overlay_mixes_by_its_opacity_and_shows_the_image_where_no_class_is(tmp_path: Path) -> None:
    source = plant(tmp_path, names=("photo",), opacity=0.25)
    image = named(source, "photo")
    with Pillow.open(tmp_path / "images/photo.png") as picture:
        rgb = np.asarray(picture).astype(float)
    mask = source.mask(image)
    whole = pictures.draw_overlay(source, image, most=100).astype(float)
    core = np.zeros(mask.shape, bool)  # borders are drawn along the others
    core[2:-2, 2:-2] = True
    for y, x in np.argwhere(core):
        core[y, x] = len({*mask[y - 2 : y + 3, x - 2 : x + 3].ravel()}) == 1
    shown, bare = core & (mask != 255), core & (mask == 255)
    assert min(shown.sum(), bare.sum()) > 20
    np.testing.assert_allclose(whole[shown], 0.75 * rgb[shown] + 0.25 * COLORS[mask[shown]], atol=1)
    np.testing.assert_array_equal(whole[bare], rgb[bare])
    # 58 x 49: every third pixel, if it may not be larger than 20
    assert pictures.draw_overlay(source, image, most=20).shape == (20, 17, 3)
    assert pictures.draw_overlay(source, image, most=57).shape == (29, 25, 3)


def test_a_mask_of_another_size_than_its_image_is_named(tmp_path: Path) -> None:
    source = with_mask(plant(tmp_path, names=("photo",)), "photo", np.zeros((49, 58), np.uint8))
    with pytest.raises(CorpusError, match=r"the mask of photo is \(49, 58\), the image \(58, 49\); refine again"):
        pictures.draw_overlay(source, named(source, "photo"), most=100)

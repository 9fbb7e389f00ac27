"""Points of CoralNet, read back as labels."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.labels.point_labels import read_points
from segpipe.stages.export.formats import coralnet
from tests.helpers.planted_export import NAMES, named, plant

PHOTOS = ("photo", "photo.2", "sub dir/=3+1", "rotated/ü 1")


@pytest.mark.parametrize("sampling", ["random", "stratified", "grid"])
def test_coralnet_points_carry_the_class_under_them(tmp_path: Path, sampling: str) -> None:
    source = plant(tmp_path, names=PHOTOS, points=20, sampling=sampling, seed=3)
    assert coralnet.export_coralnet(source, tmp_path) == 1
    with (tmp_path / "coralnet.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["Name", "Row", "Column", "Label"]
    read = read_points(tmp_path / "coralnet.csv", source.corpus.images, classes=None)
    for i, name in enumerate(PHOTOS):
        mine = [(int(r["Row"]), int(r["Column"]), r["Label"]) for r in rows if r["Name"] == f"{name}.png"]
        assert len(set(mine)) == len(mine)
        mask = source.mask(named(source, name))
        assert all(NAMES[mask[row, col]] == label for row, col, label in mine)
        shown = (mask != 255).sum()
        if sampling == "random":
            assert len(mine) == min(20, shown)
        elif name != "sub dir/=3+1":
            assert 15 <= len(mine) <= 20
        assert [read.classes[k] for k in read.points[i].labels] == [label for *_, label in mine]
    before = (tmp_path / "coralnet.csv").read_text("utf-8")
    coralnet.export_coralnet(plant(tmp_path, names=PHOTOS[:1], points=20, sampling=sampling, seed=3), tmp_path / "one")
    assert set((tmp_path / "one/coralnet.csv").read_text("utf-8").splitlines()) <= set(before.splitlines())
    coralnet.export_coralnet(plant(tmp_path, names=PHOTOS, points=20, sampling=sampling, seed=4), tmp_path / "other")
    assert ((tmp_path / "other/coralnet.csv").read_text("utf-8") == before) == (sampling == "grid")


@pytest.mark.parametrize(("shape", "count"), [((40, 60), 50), ((60, 40), 7), ((1, 9), 20), ((9, 1), 4), ((30, 30), 1)])
def test_cells_fill_an_image_evenly(shape: tuple[int, int], count: int) -> None:
    cells = coralnet._cells(shape, count)
    seen = np.zeros(shape, int)
    for top, left, bottom, right in cells:
        seen[top:bottom, left:right] += 1
    assert (seen == 1).all()
    assert len(cells) == min(count, shape[0] * shape[1])
    mask = np.zeros(shape, np.uint8)
    rows, cols = coralnet.grid_points(mask, 255, count, np.random.default_rng(0))
    assert len({*zip(rows, cols, strict=True)}) == len(cells)


def test_random_points_are_equally_likely() -> None:
    mask = np.array([[0, 255, 0], [255, 255, 255], [0, 0, 0]], np.uint8)
    hits = np.zeros(mask.shape)
    for seed in range(1000):
        rows, cols = coralnet.random_points(mask, 255, 2, np.random.default_rng(seed))
        hits[rows, cols] += 1
    assert not hits[mask == 255].any()
    np.testing.assert_allclose(hits[mask == 0], 400, atol=80)  # five standard deviations


def test_points_of_a_turned_photograph_count_in_the_stored_picture(tmp_path: Path) -> None:
    """As CoralNet does; half a turn leaves rows and columns that would fit the displayed picture too."""
    source = plant(tmp_path, names=("photo",), points=200)
    image = source.corpus.images[0]
    path, exif = source.corpus.path(image), Pillow.Exif()
    exif[0x0112] = 3
    Pillow.fromarray(np.rot90(np.asarray(Pillow.open(path)), 2)).save(path, exif=exif)
    coralnet.export_coralnet(source, tmp_path)
    with (tmp_path / "coralnet.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    stored = np.rot90(source.mask(image), 2)
    assert len(rows) > 150
    assert all(NAMES[stored[int(row["Row"]), int(row["Column"])]] == row["Label"] for row in rows)
    read = read_points(tmp_path / "coralnet.csv", source.corpus.images, classes=None, orientation=lambda index: 3)
    points = read.points[0]
    shown = source.mask(image)[points.rows, points.cols]
    assert [NAMES[k] for k in shown] == [read.classes[k] for k in points.labels]

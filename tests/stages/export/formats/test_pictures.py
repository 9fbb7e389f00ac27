import csv

import pytest

from segpipe.base.runtime import Runtime
from segpipe.records.palette import class_colors
from segpipe.stages import export
from segpipe.store import masks
from segpipe.store.run_dir import RunDir
from tests.helpers.export_run import CLASSES, SIZES


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

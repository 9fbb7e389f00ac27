import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.palette import class_colors
from segpipe.stages import export
from segpipe.store import masks
from segpipe.store.corpus import save_corpus
from segpipe.store.run_dir import RunDir

CLASSES = 4
SIZES = {"one": Size(40, 60), "sub dir/zwei ü": Size(60, 40), "sub dir/=3+1": Size(1, 9)}


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    rng, root = np.random.default_rng(0), tmp_path / "images"
    run = RunDir(tmp_path / "run", {"masks": "refine", "corpus": "index", "export": "export"})
    images, index = [], []
    for image_id, size in SIZES.items():
        path = root / f"{image_id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(rng.integers(0, 256, (size.height, size.width, 3), dtype=np.uint8)).save(path)
        images.append(Image(image_id, f"{image_id}.png", size, "uint8", "0" * 64, path.stat().st_size))
        mask = np.sort(rng.integers(0, CLASSES - 1, (size.height, size.width)).astype(np.uint8))
        mask[0, 0] = 255
        masks.write_mask(masks.mask_path(run.root / "masks", image_id), mask, classes=CLASSES)
        index.append(masks.describe_mask(image_id, mask, classes=CLASSES))
    corpus = Corpus(root, tuple(images), tuple(Crop(i, Box(0, 0, *_shape(s))) for i, s in enumerate(SIZES.values())))
    (run.root / "corpus").mkdir()
    save_corpus(corpus, [], run.root / "corpus")
    masks.save_index(run.root / "masks", index)
    masks.save_header(run.root / "masks", {"classes": CLASSES, "nodata": 255})
    return run


def _shape(size: Size) -> tuple[int, int]:
    return size.height, size.width


def _tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


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

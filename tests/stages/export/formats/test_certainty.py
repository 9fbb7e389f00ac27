from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.stages import export
from segpipe.store import masks
from segpipe.store.certainty import certainty_path, write_certainty
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


def test_certainty_is_copied_and_painted(run_dir: RunDir) -> None:
    with pytest.raises(UsageError, match="these masks came without it"):
        export.run(export.Config(formats=("certainty",)), run_dir, Runtime())
    directory, rng = run_dir.root / "masks", np.random.default_rng(1)
    index = masks.load_index(directory)
    maps = {}
    for entry in index:
        for kind in ("margin", "entropy"):
            maps[kind, entry["id"]] = rng.integers(0, 256, (entry["height"], entry["width"])).astype(np.uint8)
            write_certainty(certainty_path(directory, kind, entry["id"]), maps[kind, entry["id"]])
    masks.save_index(directory, [{**entry, "margin": {}, "entropy": 0.5} for entry in index])
    summary = export.run(export.Config(formats=("certainty",)), run_dir, Runtime(workers=2))
    assert summary.files == {"certainty": 9}
    out = run_dir.path("export") / "certainty"
    for (kind, image_id), values in maps.items():
        with Pillow.open(out / kind / f"{image_id}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), values)
    for image_id in SIZES:
        with Pillow.open(out / "color" / f"{image_id}.png") as picture:
            painted = np.asarray(picture).astype(int)
        assert painted[0, 0].tolist() == [128, 128, 128]  # no data there
        values = maps["entropy", image_id]
        seen = np.indices(values.shape).sum(0) > 0
        bright, dark = (painted[where & seen].sum(-1) for where in (values > 200, values < 50))
        if len(bright) and len(dark):
            assert bright.min() > dark.max()

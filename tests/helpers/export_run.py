"""Three small images with masks, as `export` finds them in a run."""

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from segpipe.base.geometry import Box, Size
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.stages import ARTEFACTS
from segpipe.store import masks
from segpipe.store.corpus import save_corpus
from segpipe.store.run_dir import RunDir
from tests.helpers.digests import sha256_of

CLASSES = 4
SIZES = {"one": Size(40, 60), "sub dir/zwei ü": Size(60, 40), "sub dir/=3+1": Size(1, 9)}


def make_run(tmp_path: Path) -> RunDir:
    rng, root = np.random.default_rng(0), tmp_path / "images"
    run = RunDir(tmp_path / "run", ARTEFACTS)
    images, index = [], []
    for image_id, size in SIZES.items():
        path = root / f"{image_id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(rng.integers(0, 256, (size.height, size.width, 3), dtype=np.uint8)).save(path)
        images.append(Image(image_id, f"{image_id}.png", size, "uint8", sha256_of(path), path.stat().st_size))
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

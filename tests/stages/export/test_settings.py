from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.config import Layer, build
from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.records.corpus import Corpus, Crop, Image
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


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("min_area", -1, r"min_area=-1 should be greater than or equal to 0"),
        ("layers", "file", r"layers='file' should be 'crs' or 'image'"),
        ("gsd", 0, r"gsd=0 should be greater than 0"),
        ("sampling", "even", r"sampling='even' should be 'random', 'stratified' or 'grid'"),
    ],
)
def test_wrong_settings_are_named(key: str, value: Any, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        build({"export": export.Config}, [Layer("--set", {f"export.{key}": value})])


def test_formats_are_the_table_and_unknown_ones_get_a_hint() -> None:
    assert export.Config().formats == ("png", "color", "overlay", "classes", "cog", "video")
    assert export.Config(formats=tuple(export.FORMATS)).formats == tuple(export.FORMATS)
    section: Any = build({"export": export.Config}, [Layer("--set", {"export.formats": "color,png,color"})])["export"]
    assert section.formats == ("color", "png")
    with pytest.raises(
        UsageError, match=r"--set: export\.formats=.*'overly', which is not a format; did you mean overlay"
    ):
        build({"export": export.Config}, [Layer("--set", {"export.formats": ["overly"]})])
    with pytest.raises(UsageError, match="formats are png, color, overlay, classes"):
        build({"export": export.Config}, [Layer("--set", {"export.formats": "zzzz"})])
    with pytest.raises(UsageError, match=r"export\.formats"):
        build({"export": export.Config}, [Layer("--set", {"export.formats": 7})])

"""Outlines of YOLO, read back plainly."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from segpipe.stages.export.formats import yolo
from tests.helpers.planted_export import NAMES, PLACES, SIZES, named, plant
from tests.stages.export.vector.test_polygons import even_odd

PHOTOS = ("photo", "photo.2", "sub dir/=3+1", "rotated/ü 1")


@pytest.mark.parametrize("images", ["link", "copy", "none"])
def test_yolo_outlines_are_the_masks(tmp_path: Path, images: str) -> None:
    source = plant(tmp_path, names=PHOTOS, images=images)
    assert yolo.export_yolo(source, tmp_path) == 1 + len(PHOTOS) * (1 if images == "none" else 2)
    told = yaml.safe_load((tmp_path / "yolo/data.yaml").read_text("utf-8"))
    assert told == {"train": "images", "val": "images", "names": dict(enumerate(NAMES))}
    for name in PHOTOS:
        size = SIZES[name]
        mask = np.full(size, 255, np.uint8)
        for line in (tmp_path / f"yolo/labels/{name}.txt").read_text("utf-8").splitlines():
            kind, *corners = line.split()
            shares = np.array(corners, float).reshape(-1, 2)
            assert len(shares) >= 4
            assert 0 <= shares.min() <= shares.max() <= 1
            ring = np.round(shares * [size[1], size[0]], 3)
            mask[even_odd(ring, size)] = int(kind)
        np.testing.assert_array_equal(mask, source.mask(named(source, name)))
        image = tmp_path / f"yolo/images/{name}.png"
        assert image.is_file() == (images != "none")
        assert image.is_symlink() == (images == "link")


def looked_for(image: str) -> str:
    """Ultralytics' rule, as `img2label_paths` of ultralytics.data.utils has it."""
    before, after = "/images/", "/labels/"
    return after.join(image.rsplit(before, 1)).rsplit(".", 1)[0] + ".txt"


def test_labels_lie_where_ultralytics_looks_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: an image in a sub-folder images/ counted as background."""
    names = ("a", "images/a", "dive/images/a", "dive/images/b/images/a.jpg", "my images/a", "images.d/a")
    for i, name in enumerate(names):
        monkeypatch.setitem(SIZES, name, (20 + i, 30))
        monkeypatch.setitem(PLACES, name, None)
    source = plant(tmp_path, names=names)
    yolo.export_yolo(source, tmp_path)
    shown = sorted(path for path in (tmp_path / "yolo" / "images").rglob("*.png"))
    assert len(shown) == len(names)
    labels = {Path(looked_for(str(path))) for path in shown}
    assert len(labels) == len(names)
    assert labels == set((tmp_path / "yolo").rglob("*.txt"))
    assert all(path.read_text() for path in labels)

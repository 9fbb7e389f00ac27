"""Outlines of YOLO, read back plainly."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from segpipe.stages.export.formats import yolo
from tests.helpers.planted_export import NAMES, SIZES, named, plant
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

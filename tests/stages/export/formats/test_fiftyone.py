"""Masks of FiftyOne, read back plainly."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from segpipe.stages.export.formats import fiftyone
from tests.helpers.planted_export import NAMES, named, plant

PHOTOS = ("photo", "photo.2", "sub dir/=3+1", "rotated/ü 1")


def picture(path: Path | bytes) -> np.ndarray:
    with Pillow.open(io.BytesIO(path) if isinstance(path, bytes) else path) as opened:
        return np.asarray(opened)


def test_fiftyone_masks_are_classes_from_one(tmp_path: Path) -> None:
    source = plant(tmp_path, names=PHOTOS)
    assert fiftyone.export_fiftyone(source, tmp_path) == 1 + 2 * len(PHOTOS)
    targets = json.loads((tmp_path / "fiftyone/mask_targets.json").read_text("utf-8"))
    assert targets == {str(k + 1): name for k, name in enumerate(NAMES)}
    for name in PHOTOS:
        values, mask = picture(tmp_path / f"fiftyone/labels/{name}.png"), source.mask(named(source, name))
        np.testing.assert_array_equal(values, np.where(mask == 255, 0, mask + 1))
        assert (tmp_path / f"fiftyone/data/{name}.png").is_file()

"""Label maps of TagLab, read back plainly."""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from segpipe.stages.export.formats import taglab
from tests.helpers.planted_export import NAMES, SIZES, named, plant

PHOTOS = ("photo", "photo.2", "sub dir/=3+1", "rotated/ü 1")


def picture(path: Path | bytes) -> np.ndarray:
    with Pillow.open(io.BytesIO(path) if isinstance(path, bytes) else path) as opened:
        return np.asarray(opened)


def test_taglab_images_are_painted_by_the_dictionary(tmp_path: Path) -> None:
    source = plant(tmp_path, names=PHOTOS)
    assert taglab.export_taglab(source, tmp_path) == 1 + len(PHOTOS)
    labels = json.loads((tmp_path / "taglab/dictionary.json").read_text("utf-8"))["Labels"]
    assert [label["name"] for label in labels] == [label["id"] for label in labels] == list(NAMES)
    fills = [tuple(label["fill"]) for label in labels]
    assert len(set(fills)) == 4
    assert not {(0, 0, 0), (255, 255, 255)} & set(fills)
    for name in PHOTOS:
        painted, mask = picture(tmp_path / f"taglab/{name}.png"), source.mask(named(source, name))
        assert painted.shape == (*SIZES[name], 3)
        expected = np.array([*fills, *[(0, 0, 0)] * 252], np.uint8)[mask]
        np.testing.assert_array_equal(painted, expected)

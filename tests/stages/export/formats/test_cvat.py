"""The archive of CVAT, read back plainly."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from segpipe.records.legend import plain_legend
from segpipe.stages.export.formats import cvat
from tests.helpers.planted_export import COLORS, NAMES, SIZES, named, plant

PHOTOS = ("photo", "photo.2", "sub dir/=3+1", "rotated/ü 1")


def picture(path: Path | bytes) -> np.ndarray:
    with Pillow.open(io.BytesIO(path) if isinstance(path, bytes) else path) as opened:
        return np.asarray(opened)


def test_cvat_masks_are_painted_by_the_label_map(tmp_path: Path) -> None:
    source = plant(tmp_path, names=PHOTOS)
    assert cvat.export_cvat(source, tmp_path) == 2
    with zipfile.ZipFile(tmp_path / "cvat/annotations.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    lines = [line for line in files["labelmap.txt"].decode().splitlines() if not line.startswith("#")]
    rows = [line.split(":") for line in lines]
    assert [row[0] for row in rows] == ["background", NAMES[0], "Acropora  branching", NAMES[2], "background 2"]
    colors = np.array([[int(part) for part in row[1].split(",")] for row in rows])
    assert len(np.unique(colors, axis=0)) == 5
    labels = json.loads((tmp_path / "cvat/labels.json").read_text("utf-8"))
    assert [label["name"] for label in labels] == [row[0] for row in rows[1:]]
    assert [label["color"] for label in labels] == ["#" + bytes(color.tolist()).hex() for color in colors[1:]]
    assert colors[:3].tolist() == [[0, 0, 0], *COLORS[:2].tolist()]
    assert files["ImageSets/Segmentation/default.txt"].decode().splitlines() == list(PHOTOS)
    for name in PHOTOS:
        mask, painted = source.mask(named(source, name)), picture(files[f"SegmentationClass/{name}.png"])
        for k in range(len(NAMES)):
            np.testing.assert_array_equal((painted == colors[k + 1]).all(2), mask == k)
        objects = picture(files[f"SegmentationObject/{name}.png"])
        regions = source.regions(named(source, name))
        pairs = np.unique(np.concatenate([objects, regions.labels[..., None]], axis=2).reshape(-1, 4), axis=0)
        assert len(pairs) == len(np.unique(pairs[:, :3], axis=0)) == len(np.unique(pairs[:, 3]))


def test_cvat_objects_beyond_the_colors_are_joined_by_class(tmp_path: Path) -> None:
    source = plant(tmp_path, names=("photo",), legend=plain_legend(5))
    noise = np.random.default_rng(0).integers(0, 5, SIZES["photo"]).astype(np.uint8)
    Pillow.fromarray(noise).save(tmp_path / "masks/photo.png")
    cvat.export_cvat(source, tmp_path)
    with zipfile.ZipFile(tmp_path / "cvat/annotations.zip") as archive:
        objects = picture(archive.read("SegmentationObject/photo.png"))
    colors, numbers = np.unique(objects.reshape(-1, 3), axis=0, return_inverse=True)
    assert len(colors) == 255
    assert {tuple(color) for color in colors} <= {tuple(color) for color in cvat.voc_colors(256)[1:]}
    for number in range(255):
        assert len(np.unique(noise.ravel()[numbers.ravel() == number])) == 1
    sizes = source.regions(named(source, "photo")).sizes
    assert set(np.sort(sizes)[-250:]) <= set(np.bincount(numbers.ravel()))

"""COCO annotations, read back by pycocotools."""

from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from scipy.ndimage import distance_transform_edt

from segpipe.stages.export.formats import coco
from segpipe.stages.export.formats.source import Source
from tests.helpers.planted_export import LEFT_OUT, NAMES, named, plant

PHOTOS = ("photo", "photo.2", "sub dir/=3+1", "rotated/ü 1")
numpy2 = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools


def from_coco(out: Path, source: Source, name: str) -> np.ndarray:
    api = COCO(str(out / "coco/annotations.json"))
    (entry,) = [image for image in api.dataset["images"] if image["file_name"] == f"{name}.png"]
    mask = np.full((entry["height"], entry["width"]), source.legend.nodata, np.uint8)
    for annotation in api.loadAnns(api.getAnnIds(imgIds=entry["id"])):
        inside = api.annToMask(annotation) > 0
        rows, cols = np.nonzero(inside)
        left, top, width, height = annotation["bbox"]
        assert (mask[inside] == source.legend.nodata).all()
        assert annotation["area"] == inside.sum()
        assert (left, top) == (cols.min(), rows.min())
        assert (width, height) == (np.ptp(cols) + 1, np.ptp(rows) + 1)
        mask[inside] = annotation["category_id"] - 1
    return mask


@numpy2
@pytest.mark.parametrize("kind", ["rle", "polygon"])
def test_coco_holds_every_mask_pixel_for_pixel(tmp_path: Path, kind: str) -> None:
    source = plant(tmp_path, names=PHOTOS, legend=LEFT_OUT, coco=kind)
    assert coco.export_coco(source, tmp_path) == 1
    for name in PHOTOS:
        np.testing.assert_array_equal(from_coco(tmp_path, source, name), source.mask(named(source, name)))
    api = COCO(str(tmp_path / "coco/annotations.json"))
    assert [api.cats[k + 1]["name"] for k in range(3)] == list(NAMES[:3])
    assert sorted(api.anns) == list(range(1, len(api.anns) + 1))


@numpy2
def test_coco_without_small_regions(tmp_path: Path) -> None:
    source = plant(tmp_path, names=PHOTOS, min_area=10)
    coco.export_coco(source, tmp_path)
    found = from_coco(tmp_path, source, "photo")
    np.testing.assert_array_equal(found, source.clean_mask(named(source, "photo")))
    assert (found != source.mask(named(source, "photo"))).any()


@numpy2
def test_simplified_coco_polygons_stay_near_the_mask(tmp_path: Path) -> None:
    source = plant(tmp_path, names=PHOTOS[:2], coco="polygon", min_area=15, simplify=1.0)
    coco.export_coco(source, tmp_path)
    api = COCO(str(tmp_path / "coco/annotations.json"))
    for i, name in enumerate(PHOTOS[:2], 1):
        mask = source.clean_mask(named(source, name))
        seen = np.full(mask.shape, 255, np.uint8)
        for annotation in api.loadAnns(api.getAnnIds(imgIds=i)):
            seen[api.annToMask(annotation) > 0] = annotation["category_id"] - 1
        differs = seen != mask
        assert 0 < differs.mean() < 0.06
        border = np.zeros(mask.shape, bool)
        border[:, 1:] |= mask[:, 1:] != mask[:, :-1]
        border[1:] |= mask[1:] != mask[:-1]
        assert distance_transform_edt(~border)[differs].max() < 3

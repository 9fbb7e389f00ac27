"""Labels for other programs, read back plainly or by pycocotools; test_readers.py asks the programs themselves."""

import base64
import csv
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
import yaml
from PIL import Image as Pillow
from pycocotools.coco import COCO
from scipy.ndimage import distance_transform_edt
from tests.ops.test_polygons import even_odd
from tests.ops.test_runs import plain_brush

from segpipe.base.errors import CorpusError
from segpipe.labels.point_labels import read_points
from segpipe.records.legend import plain_legend
from segpipe.stages.export import FORMATS
from segpipe.stages.export.formats import coco, coralnet, cvat, fiftyone, labelstudio, taglab, yolo
from segpipe.stages.export.formats.source import Source
from tests.helpers.planted_export import COLORS, LEFT_OUT, NAMES, SIZES, named, plant

PHOTOS = ("photo", "photo.2", "sub dir/=3+1", "rotated/ü 1")
numpy2 = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools


def picture(path: Path | bytes) -> np.ndarray:
    with Pillow.open(io.BytesIO(path) if isinstance(path, bytes) else path) as opened:
        return np.asarray(opened)


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


def test_images_that_are_gone_are_named(tmp_path: Path) -> None:
    source = plant(tmp_path, names=PHOTOS)
    (tmp_path / "images/photo.png").unlink()
    with pytest.raises(CorpusError, match=r"photo\.png does not exist any more; .*export\.images=none"):
        fiftyone.export_fiftyone(source, tmp_path)


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


def test_label_studio_brushes_are_the_classes(tmp_path: Path) -> None:
    source = plant(tmp_path, names=PHOTOS, legend=LEFT_OUT)
    assert labelstudio.export_labelstudio(source, tmp_path) == 2
    tasks = json.loads((tmp_path / "labelstudio/tasks.json").read_text("utf-8"))
    assert [task["data"]["image"] for task in tasks] == [
        "/data/local-files/?d=photo.png",
        "/data/local-files/?d=photo.2.png",
        "/data/local-files/?d=sub%20dir/%3D3%2B1.png",
        "/data/local-files/?d=rotated/%C3%BC%201.png",
    ]
    ids = []
    for name, task in zip(PHOTOS, tasks, strict=True):
        mask = np.full(SIZES[name], 255, np.uint8)
        (prediction,) = task["predictions"]
        for result in prediction["result"]:
            assert (result["original_height"], result["original_width"]) == SIZES[name]
            value = result["value"]
            ids.append(result["id"])
            brushed = plain_brush(value["rle"]).reshape(*SIZES[name], 4)[..., 3]
            mask[brushed == 255] = NAMES.index(value["brushlabels"][0])
        np.testing.assert_array_equal(mask, source.mask(named(source, name)))
    assert len(set(ids)) == len(ids)
    view = Xml.parse(tmp_path / "labelstudio/config.xml").getroot()
    assert [label.get("value") for label in view.iter("Label")] == list(NAMES[:3])
    result = tasks[0]["predictions"][0]["result"][0]
    assert view.find("BrushLabels").get("name") == result["from_name"]
    assert view.find("Image").get("name") == result["to_name"]


def test_fiftyone_masks_are_classes_from_one(tmp_path: Path) -> None:
    source = plant(tmp_path, names=PHOTOS)
    assert fiftyone.export_fiftyone(source, tmp_path) == 1 + 2 * len(PHOTOS)
    targets = json.loads((tmp_path / "fiftyone/mask_targets.json").read_text("utf-8"))
    assert targets == {str(k + 1): name for k, name in enumerate(NAMES)}
    for name in PHOTOS:
        values, mask = picture(tmp_path / f"fiftyone/labels/{name}.png"), source.mask(named(source, name))
        np.testing.assert_array_equal(values, np.where(mask == 255, 0, mask + 1))
        assert (tmp_path / f"fiftyone/data/{name}.png").is_file()


@pytest.mark.parametrize("sampling", ["random", "stratified", "grid"])
def test_coralnet_points_carry_the_class_under_them(tmp_path: Path, sampling: str) -> None:
    source = plant(tmp_path, names=PHOTOS, points=20, sampling=sampling, seed=3)
    assert coralnet.export_coralnet(source, tmp_path) == 1
    with (tmp_path / "coralnet.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["Name", "Row", "Column", "Label"]
    read = read_points(tmp_path / "coralnet.csv", source.corpus.images, classes=None)
    for i, name in enumerate(PHOTOS):
        mine = [(int(r["Row"]), int(r["Column"]), r["Label"]) for r in rows if r["Name"] == f"{name}.png"]
        assert len(set(mine)) == len(mine)
        mask = source.mask(named(source, name))
        assert all(NAMES[mask[row, col]] == label for row, col, label in mine)
        shown = (mask != 255).sum()
        if sampling == "random":
            assert len(mine) == min(20, shown)
        elif name != "sub dir/=3+1":
            assert 15 <= len(mine) <= 20
        assert [read.classes[k] for k in read.points[i].labels] == [label for *_, label in mine]
    before = (tmp_path / "coralnet.csv").read_text("utf-8")
    coralnet.export_coralnet(plant(tmp_path, names=PHOTOS[:1], points=20, sampling=sampling, seed=3), tmp_path / "one")
    assert set((tmp_path / "one/coralnet.csv").read_text("utf-8").splitlines()) <= set(before.splitlines())
    coralnet.export_coralnet(plant(tmp_path, names=PHOTOS, points=20, sampling=sampling, seed=4), tmp_path / "other")
    assert ((tmp_path / "other/coralnet.csv").read_text("utf-8") == before) == (sampling == "grid")


@pytest.mark.parametrize(("shape", "count"), [((40, 60), 50), ((60, 40), 7), ((1, 9), 20), ((9, 1), 4), ((30, 30), 1)])
def test_cells_fill_an_image_evenly(shape: tuple[int, int], count: int) -> None:
    cells = coralnet._cells(shape, count)
    seen = np.zeros(shape, int)
    for top, left, bottom, right in cells:
        seen[top:bottom, left:right] += 1
    assert (seen == 1).all()
    assert len(cells) == min(count, shape[0] * shape[1])
    mask = np.zeros(shape, np.uint8)
    rows, cols = coralnet.grid_points(mask, 255, count, np.random.default_rng(0))
    assert len({*zip(rows, cols, strict=True)}) == len(cells)


def test_random_points_are_equally_likely() -> None:
    mask = np.array([[0, 255, 0], [255, 255, 255], [0, 0, 0]], np.uint8)
    hits = np.zeros(mask.shape)
    for seed in range(1000):
        rows, cols = coralnet.random_points(mask, 255, 2, np.random.default_rng(seed))
        hits[rows, cols] += 1
    assert not hits[mask == 255].any()
    np.testing.assert_allclose(hits[mask == 0], 400, atol=80)  # five standard deviations


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


def test_names_that_are_no_text_do_not_stop_an_export(tmp_path: Path) -> None:
    raw = base64.b64decode("YWL/").decode("utf-8", "surrogateescape")  # "ab" and a byte that begins no character
    source = plant(tmp_path, names=("photo",))
    image = replace(named(source, "photo"), id=raw, path=f"{raw}.png")
    index = [{**source.index[0], "id": raw, "file": f"{raw}.png"}]
    renamed = replace(source, corpus=replace(source.corpus, images=(image,)), index=index)
    (tmp_path / "images/photo.png").rename(tmp_path / "images" / f"{raw}.png")
    (tmp_path / "masks/photo.png").rename(tmp_path / "masks" / f"{raw}.png")
    for name, export in FORMATS.items():
        if name not in ("points", "cog", "certainty", "video"):  # of other images
            assert export(renamed, tmp_path / "out") >= 1
    assert (
        json.loads((tmp_path / "out/coco/annotations.json").read_text("utf-8"))["images"][0]["file_name"] == "ab?.png"
    )

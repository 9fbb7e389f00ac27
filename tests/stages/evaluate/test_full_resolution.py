"""Whole images counted against their labels: stripes of plain colors, and features that say their own place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from sklearn.metrics import confusion_matrix

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size, tiles, windows
from segpipe.base.runtime import Runtime
from segpipe.labels.ground_truth import Truth
from segpipe.labels.point_labels import Points
from segpipe.nn.head import Head, linear_head
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.features import FeatureHeader
from segpipe.records.scores import Confusion
from segpipe.stages import ARTEFACTS
from segpipe.stages.evaluate import full_resolution as whole
from segpipe.store import masks
from segpipe.store.features import CropFeatures, FeatureStore, FeatureWriter, create_features
from segpipe.store.run_dir import RunDir
from tests.helpers.striped_corpus import MOSAIC, PHOTO, Striped, plant

BASELINE = ClusterModel(np.eye(4, dtype=np.float32)[::-1].copy(), 1.0)
"""Of stripes: class 3 is its cluster 0."""
TILE = 64


@pytest.fixture(scope="module")
def striped(tmp_path_factory: pytest.TempPathFactory) -> Striped:
    """Also `run/masks` of three clusters drawn at random, no data where there is no image."""
    root = tmp_path_factory.mktemp("run")
    planted, rng, index = plant(root), np.random.default_rng(0), []
    folder = root / "masks"
    for i, image in enumerate(planted.corpus.images):
        side = TILE if image.mosaic else None
        mask = np.where(planted.valid[i], rng.integers(3, size=planted.valid[i].shape), 255).astype(np.uint8)
        for tile in tiles(image.size, TILE if image.mosaic else 999):
            path = masks.tile_path(folder, image.id, tile) if side else masks.mask_path(folder, image.id)
            masks.write_mask(path, mask[tile.slices], classes=3)
        index.append(masks.describe_mask(image.id, mask, classes=3) | ({"tile": side} if side else {}))
    masks.save_index(folder, index)
    masks.save_header(folder, {"classes": 3, "nodata": 255, "side": 96, "sharpness": 2.0, "flip": False, "crf": None})
    return planted


def mask_of(striped: Striped, index: int) -> np.ndarray:
    folder = striped.features.parent / "masks"
    return masks.read_part(folder, masks.load_index(folder)[index])


def label_maps(striped: Striped, folder: Path) -> Truth:
    """Labels of the stripes, the upper 20 rows unlabelled."""
    for index, name in ((PHOTO, "photo"), (MOSAIC, "mosaic")):
        stored = striped.truth[index].astype(np.uint8)
        stored[:20] = 255
        Pillow.fromarray(stored).save(folder / f"{name}.png")
    sources = {MOSAIC: folder / "mosaic.png", PHOTO: folder / "photo.png"}
    return Truth(sources, ("a", "b", "c", "d"), np.arange(4, dtype=np.int32), [], 0)


def plan(striped: Striped, truth: Truth, *, quota: int, seed: int = 0) -> tuple[whole.CountSetup, list[whole.Task]]:
    run_dir = RunDir(striped.features.parent, ARTEFACTS)
    return whole.plan(truth, striped.corpus, BASELINE, run_dir, quota=quota, seed=seed)


def table_of(found: Confusion, image: int) -> np.ndarray:
    table = np.zeros((found.classes, found.clusters + 1), int)
    own = found.image == image
    table[found.label[own], found.cluster[own]] = found.count[own]
    return table


def test_every_labelled_image_is_a_task_with_its_own_crops(striped: Striped, tmp_path: Path) -> None:
    setup, tasks = plan(striped, label_maps(striped, tmp_path), quota=7)
    assert [task.index for task in tasks] == [PHOTO, MOSAIC]
    assert [task.entry for task in tasks] == [
        {"id": "photo", "height": 64, "width": 96},
        {"id": "mosaic", "height": 128, "width": 128, "tile": TILE},
    ]
    assert [task.rows for task in tasks] == [range(2), range(2, 11)]
    assert tasks[1].boxes == [Box(top, left, 64, 64) for top in (0, 32, 64) for left in (0, 32, 64)]
    assert tasks[1].corpus.images == (striped.corpus.images[MOSAIC],)
    assert (setup.clusters, setup.classes, setup.quota, setup.config.side) == (3, 4, 7, 96)
    np.testing.assert_array_equal(setup.config.centers, BASELINE.centers)


def test_masks_and_baseline_are_counted_as_scikit_learn_does(striped: Striped, tmp_path: Path) -> None:
    """The baseline tells every pixel; where there is no image both have no data."""
    setup, tasks = plan(striped, label_maps(striped, tmp_path), quota=30)
    head = linear_head(np.eye(4), np.zeros(4))
    evidence = whole.gather(tasks, setup, head, Runtime(workers=1))
    for place, index in enumerate((PHOTO, MOSAIC)):
        label = striped.truth[index][20:].ravel()
        mask = mask_of(striped, index)[20:].ravel()
        base = np.where(striped.valid[index], 3 - striped.truth[index], 255)[20:].ravel()
        expected = confusion_matrix(label, np.minimum(mask, 3), labels=range(4))
        np.testing.assert_array_equal(table_of(evidence.masks, place), expected)
        expected = confusion_matrix(label, np.minimum(base, 4), labels=range(5))[:4]
        np.testing.assert_array_equal(table_of(evidence.baseline, place), expected)
    assert evidence.images.tolist() == [PHOTO] * 30 + [MOSAIC] * 30
    for vectors in (evidence.codes, evidence.features):
        np.testing.assert_array_equal(vectors.argmax(axis=1), evidence.labels)


@pytest.mark.parametrize("index", [PHOTO, MOSAIC])
def test_as_many_pixels_are_drawn_as_wanted_none_twice_and_all_where_there_are_no_more(
    striped: Striped, index: int, tmp_path: Path
) -> None:
    truth = label_maps(striped, tmp_path)
    labelled = {(r, c) for r, c in np.ndindex(striped.truth[index].shape) if r >= 20}
    drawn = []
    for quota, seed in ((10**6, 0), (50, 0), (50, 0), (50, 1)):
        setup, tasks = plan(striped, truth, quota=quota, seed=seed)
        (found,) = whole.count_images([tasks[index]], setup)
        pixels = list(zip(found.drawn.rows.tolist(), found.drawn.cols.tolist(), strict=True))
        assert len(pixels) == len(set(pixels)) == min(quota, len(labelled))
        assert set(pixels) <= labelled
        np.testing.assert_array_equal(found.drawn.labels, striped.truth[index][found.drawn.rows, found.drawn.cols])
        drawn.append(pixels)
    assert drawn[1] == drawn[2] != drawn[3]


def test_tiles_of_a_mosaic_give_pixels_by_how_many_are_labelled(striped: Striped, tmp_path: Path) -> None:
    """The upper tiles have 44 labelled rows of 64: of all pixels drawn they give 44 of 108."""
    setup, tasks = plan(striped, label_maps(striped, tmp_path), quota=4000)
    (found,) = whole.count_images([tasks[MOSAIC]], setup)
    upper, of = np.mean(found.drawn.rows < 64), 108 * 128
    spread = np.sqrt(44 / 108 * 64 / 108 / 4000 * (of - 4000) / (of - 1))
    assert abs(upper - 44 / 108) < 4 * spread
    setup, tasks = plan(striped, label_maps(striped, tmp_path), quota=400)
    (found,) = whole.count_images([tasks[MOSAIC]], setup)
    rows, cols = found.drawn.rows, found.drawn.cols
    left, right = (
        set(zip(rows[own].tolist(), (cols[own] % 64).tolist(), strict=True))
        for own in ((rows >= 64) & (cols < 64), (rows >= 64) & (cols >= 64))
    )
    assert len(left & right) < 15  # some 119 of 4096 each: by chance three or four are the same


def test_points_are_counted_where_they_lie(striped: Striped) -> None:
    rows, cols = np.array([5, 63, 100, 127, 5]), np.array([5, 64, 20, 127, 90])
    points = Points(rows, cols, striped.truth[MOSAIC][rows, cols])
    truth = Truth({MOSAIC: points}, ("a", "b", "c", "d"), np.zeros(0, np.int32), [], 0)
    setup, tasks = plan(striped, truth, quota=99)
    (found,) = whole.count_images(tasks, setup)
    mask = np.minimum(mask_of(striped, MOSAIC)[rows, cols], 3)
    np.testing.assert_array_equal(found.masks.total(), confusion_matrix(points.labels, mask, labels=range(4)))
    assert found.baseline.total()[:, 4].tolist() == [1, 0, 0, 0]  # the point at the end of the blank quarter
    order = np.lexsort((found.drawn.cols, found.drawn.rows))
    expected = np.lexsort((cols, rows))
    np.testing.assert_array_equal(found.drawn.rows[order], rows[expected])
    np.testing.assert_array_equal(found.drawn.cols[order], cols[expected])


def test_a_label_map_of_another_size_is_told(striped: Striped, tmp_path: Path) -> None:
    truth = label_maps(striped, tmp_path)
    Pillow.new("L", (30, 20)).save(tmp_path / "photo.png")
    setup, tasks = plan(striped, truth, quota=9)
    with pytest.raises(UsageError, match=r"photo\.png.* 30 x 20"):
        whole.count_images(tasks[:1], setup)


def test_vectors_are_read_where_the_pixels_are(tmp_path: Path) -> None:
    """Features that say their own place in the image give it back at any pixel, through overlapping crops too."""
    size = Size(90, 120)
    crops = tuple(Crop(0, box) for box in windows(size, side=60, overlap=0.5))
    corpus = Corpus(tmp_path, (Image("a", "a.png", size, "uint8", "", 1),), crops)
    header = FeatureHeader("made", "place", (0,), side=48, patch=8, dim=2, pool="mean", flipped=False)
    grids = [header.grid(crop.box.size) for crop in crops]
    create_features(tmp_path, header, np.array([(grid.rows, grid.cols) for grid in grids]))
    writer = FeatureWriter(tmp_path)
    found = []
    for crop, grid in zip(crops, grids, strict=True):
        y = crop.box.top + (np.arange(grid.rows) + 0.5) * 8 * crop.box.height / grid.content.height
        x = crop.box.left + (np.arange(grid.cols) + 0.5) * 8 * crop.box.width / grid.content.width
        places = np.stack(np.meshgrid(y, x, indexing="ij"), -1)
        found.append(CropFeatures(places, np.zeros(2), np.ones(places.shape[:2], bool)))
    writer.write(range(len(crops)), found)
    head = Head(2, 1, 0.0).eval()
    for name, tensor in head.state_dict().items():
        tensor[:] = torch.tensor([[1.0, 1.0]]) if name == "linear.weight" else 0
    rng = np.random.default_rng(0)
    rows, cols = rng.integers(8, size.height - 8, 200), rng.integers(8, size.width - 8, 200)
    task = whole.Task(0, corpus, range(len(crops)), Path())
    drawn = Points(rows, cols, np.zeros(200, np.int64))
    codes, features = whole.read_vectors(task, drawn, FeatureStore(tmp_path), head)
    np.testing.assert_allclose(features, np.stack([rows + 0.5, cols + 0.5], 1), atol=0.1)  # float16 at 100
    np.testing.assert_allclose(codes[:, 0], rows + cols + 1, atol=0.2)

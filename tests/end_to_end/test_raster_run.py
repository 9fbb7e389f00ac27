"""A folder that mixes a photograph, a georeferenced mosaic and a 16-bit TIFF, through all stages."""

import csv
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image as Pillow
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine
from rio_cogeo import cog_validate

import segpipe
from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.runtime import Runtime
from segpipe.commands.demo.synthetic import reef_scene
from segpipe.commands.diff.compare import compare
from segpipe.images.corpus_reader import read_original, read_reduced, read_region
from segpipe.images.decoding import quiet
from segpipe.plots.overlay import colorize
from segpipe.records.palette import class_colors
from segpipe.stages import ARTEFACTS, export, index, refine
from segpipe.store import masks
from segpipe.store.class_names import open_legend
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir

ROTATED = Affine(0.0123456789012345, 0.001, 345678.123456789, 0.002, -0.0123456789012345, 8123456.987654321)
SETTINGS = {
    "extract.backbone": "classical",
    "extract.input_size": 96,
    "index.window": 96,
    "train.method": "pca",
    "cluster.k": 4,
    "cluster.n_init": 1,
    "refine.canvas_size": 48,
    "refine.crf_iterations": 2,
    "runtime.workers": 1,
}


def write_folder(folder: Path) -> np.ndarray:
    """Returns which pixels of the mosaic hold image."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    exif = Pillow.Exif()
    exif.get_ifd(0x8825).update({1: "S", 2: (16.0, 30.0, 0.0), 3: "E", 4: (145.0, 45.0, 0.0)})
    Pillow.fromarray(reef_scene(rng, Size(90, 120))[0]).save(folder / "photo.jpg", exif=exif)
    scenes = [reef_scene(rng, Size(150, 150))[0] for _ in range(4)]
    mosaic = np.concatenate([np.concatenate(scenes[:2], axis=1), np.concatenate(scenes[2:], axis=1)])[:290, :280]
    y, x = np.mgrid[:290, :280]
    seen = (x + y > 150) & (x - y < 250)
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "nodata": 0, "crs": "EPSG:32755", "transform": ROTATED}
    with rasterio.open(folder / "mosaic.tif", "w", height=290, width=280, blockysize=16, **profile) as file:
        file.write((mosaic.clip(1) * seen[..., None]).transpose(2, 0, 1))
    deep = reef_scene(rng, Size(80, 110))[0].astype(np.uint16) * 40 + 1000
    with (
        quiet(),
        rasterio.open(folder / "deep.tif", "w", driver="GTiff", count=3, dtype="uint16", height=80, width=110) as file,
    ):
        file.write(deep.transpose(2, 0, 1))
    points = [GroundControlPoint(r, c, 100 + c, 200 - r) for r, c in ((0, 0), (0, 60), (60, 0), (60, 60))]
    with rasterio.open(
        folder / "points.tif",
        "w",
        driver="GTiff",
        count=1,
        dtype="uint8",
        height=60,
        width=60,
        gcps=points,
        crs="EPSG:32755",
    ) as file:
        file.write(reef_scene(rng, Size(60, 60))[0][None, ..., 0])
    return seen


def run_all(images: Path, root: Path, **changes: Any) -> RunDir:
    values = {**SETTINGS, **changes}
    run = RunDir(root, ARTEFACTS)
    sets = [f"{key}={value}" for key, value in values.items()]
    settings = pipeline.resolve(run, sets=sets, more={"index.images": str(images)})
    list(pipeline.run(settings, run, Runtime(workers=1)))
    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDir, np.ndarray]:
    root = tmp_path_factory.mktemp("rasters")
    seen = write_folder(root / "images")
    labels = root / "labels"
    labels.mkdir()
    truth = (np.indices((290, 280)).sum(0) // 100 % 3).astype(np.uint8)
    truth[:40] = 255
    Pillow.fromarray(truth).save(labels / "mosaic.png")
    Pillow.fromarray(np.zeros((90, 120), np.uint8)).save(labels / "photo.png")
    return run_all(root / "images", root / "run", **{"evaluate.labels": labels, "evaluate.n_resamples": 20}), seen


def entry_of(run: RunDir, name: str) -> dict[str, Any]:
    return next(entry for entry in masks.load_index(run.path("masks")) if entry["id"] == name)


def test_places_and_kinds_are_recorded(made: tuple[RunDir, np.ndarray]) -> None:
    run, _ = made
    corpus = load_corpus(run.path("corpus"))
    images = {image.id: image for image in corpus.images}
    assert images["photo"].gps == (-16.5, 145.75)
    assert [image.id for image in corpus.images if image.mosaic] == ["mosaic"]
    assert [image.id for image in corpus.images if image.geo] == ["mosaic"]
    geo = images["mosaic"].geo
    assert geo is not None
    assert geo.transform == tuple(ROTATED)[:6]
    assert images["deep"].depth == "uint16"
    assert len(corpus.crops_of[list(images).index("mosaic")]) == 30
    assert len(corpus.crops) == 30 + 3


def test_a_mosaic_is_read_by_boxes_as_it_is_read_whole(made: tuple[RunDir, np.ndarray]) -> None:
    run, seen = made
    corpus = load_corpus(run.path("corpus"))
    for image in corpus.images:
        whole = read_original(corpus, image)
        box = Box(7, 11, image.size.height - 20, 31)
        part = read_region(corpus, image, box)
        np.testing.assert_array_equal(part.rgb, whole.rgb[box.slices])
        if image.mosaic:
            np.testing.assert_array_equal(whole.valid, seen)
        assert read_reduced(corpus, image, Size(20, 30)).shape == (20, 30, 3)


def test_masks_have_no_class_where_there_is_no_image(made: tuple[RunDir, np.ndarray]) -> None:
    run, seen = made
    entry = entry_of(run, "mosaic")
    mask = masks.read_part(run.path("masks"), entry)
    np.testing.assert_array_equal(mask < 4, seen)
    assert entry["nodata"] == (~seen).sum()
    assert sum(entry["pixels"].values()) == seen.sum()
    assert {int(k): n for k, n in entry["pixels"].items()} == {
        k: int((mask == k).sum()) for k in range(4) if (mask == k).any()
    }
    box = Box(3, 100, 250, 170)
    np.testing.assert_array_equal(masks.read_part(run.path("masks"), entry, box), mask[box.slices])
    small = masks.read_reduced(run.path("masks"), entry, Size(58, 40))
    np.testing.assert_array_equal(small, mask[2::5, 3::7])


def test_the_map_is_a_valid_cog_in_its_place(made: tuple[RunDir, np.ndarray]) -> None:
    run, _ = made
    folder = run.path("export") / "cog"
    assert sorted(path.name for path in folder.iterdir()) == ["mosaic.tif", "mosaic.tif.aux.xml"]
    valid, errors, warnings = cog_validate(folder / "mosaic.tif", strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(folder / "mosaic.tif") as found, rasterio.open(run.root.parent / "images/mosaic.tif") as source:
        assert tuple(found.transform) == tuple(source.transform) == tuple(ROTATED)
        assert found.crs.to_wkt() == source.crs.to_wkt()
        assert found.nodata == 255
        assert found.dtypes == ("uint8",)
        assert found.tags(1)["CLASS_3"] == "class 3"
        assert found.descriptions == ("class",)
        np.testing.assert_array_equal(found.read(1), masks.read_part(run.path("masks"), entry_of(run, "mosaic")))
        assert found.colormap(1)[0][:3] == tuple(class_colors(4)[0].tolist())


def test_pictures_of_a_mosaic_are_those_of_its_mask(made: tuple[RunDir, np.ndarray]) -> None:
    run, seen = made
    mask = masks.read_part(run.path("masks"), entry_of(run, "mosaic"))
    np.testing.assert_array_equal(masks.read_mask(run.path("export") / "png/mosaic.png"), mask)
    with Pillow.open(run.path("export") / "color/mosaic.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), colorize(mask, class_colors(4), 255))
    with Pillow.open(run.path("export") / "overlay/mosaic.jpg") as picture:
        assert picture.size == (280, 290)
        assert np.asarray(picture)[~seen].mean() < 20
    assert not list((run.root / "export").rglob(".*"))


def test_scores_and_report_take_mosaics(made: tuple[RunDir, np.ndarray]) -> None:
    run, _ = made
    scores = json.loads((run.path("scores") / "scores.json").read_text())
    assert scores["images"] == 2
    assert scores["labelled_pixels"] == 250 * 280 + 90 * 120
    page = (run.path("report") / "index.html").read_text()
    assert "mosaic" in page
    assert compare(run, run, {}, {}).renderables[-1].startswith("masks: 100.00% of the pixels of 4 common images")


def test_confusion_of_a_mosaic_is_that_of_its_whole_mask(made: tuple[RunDir, np.ndarray]) -> None:
    run, _ = made
    mask = masks.read_part(run.path("masks"), entry_of(run, "mosaic"))
    with Pillow.open(run.root.parent / "labels/mosaic.png") as picture:
        truth = np.asarray(picture)
    photo = masks.read_part(run.path("masks"), entry_of(run, "photo"))
    with (run.path("scores") / "confusion.csv").open(newline="") as file:
        rows = [[int(cell) for cell in row[1:]] for row in list(csv.reader(file))[1:]]
    expected = np.zeros((3, 5), int)
    np.add.at(expected, (truth[truth < 255], np.minimum(mask[truth < 255], 4)), 1)
    np.add.at(expected, (np.zeros(photo.size, int), photo.ravel()), 1)
    np.testing.assert_array_equal(np.array(rows)[:, -5:], expected)


def test_a_cluster_of_a_mosaic_is_named_and_split(made: tuple[RunDir, np.ndarray], tmp_path: Path) -> None:
    run, _ = made
    again = RunDir(tmp_path / "again", ARTEFACTS)
    shutil.copytree(run.root, again.root)
    labels = run.root.parent / "labels"
    values = {**SETTINGS, "evaluate.labels": labels, "evaluate.n_resamples": 20, "runtime.workers": 1}
    sets = [f"{key}={value}" for key, value in values.items()]
    settings = pipeline.resolve(again, sets=sets, more={"index.images": str(run.root.parent / "images")})
    pipeline.save_settings(again, settings)
    named = segpipe.name(again.root, labels=labels)
    assert all((again.root / entry["picture"]).stat().st_size > 1000 for entry in named.values())
    before = dict(segpipe.masks(again.root))
    found = {k: int(sum((mask == k).sum() for mask in before.values())) for k in named}
    largest = max(found, key=lambda k: found[k])
    segpipe.name(again.root, split=largest, by="kmeans")
    after = dict(segpipe.masks(again.root))
    for name, mask in before.items():
        np.testing.assert_array_equal(np.where(after[name] == 4, largest, after[name]), mask)
    assert (after["mosaic"] == 4).any()
    segpipe.bundle(again.root, tmp_path / "model.segpipe")
    mosaic = run.root.parent / "images" / "mosaic.tif"
    ((_, mask),) = segpipe.apply(tmp_path / "model.segpipe", mosaic, workers=1)
    classes = open_legend(again, 5).read(after["mosaic"])
    np.testing.assert_array_equal(mask, classes)


def test_control_points_are_told_how_to_become_a_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_folder(tmp_path / "images")
    run = RunDir(tmp_path / "run", ARTEFACTS)
    with caplog.at_level(logging.INFO, "segpipe"):
        index.run(index.Config(images=str(tmp_path / "images"), window=96), run, Runtime(workers=1))
    assert "points.tif: has ground control points only" in caplog.text
    assert "gdalwarp IN OUT" in caplog.text


def test_bands_are_chosen_and_too_few_are_told(tmp_path: Path) -> None:
    write_folder(tmp_path / "images")
    run = RunDir(tmp_path / "run", ARTEFACTS)
    summary = index.run(
        index.Config(images=str(tmp_path / "images"), window=96, bands=(3, 2, 1)), run, Runtime(workers=1)
    )
    corpus = load_corpus(run.path("corpus"))
    assert summary.rejected == 1  # points.tif has one band
    assert corpus.bands == (3, 2, 1)
    mosaic = next(image for image in corpus.images if image.mosaic)
    with rasterio.open(tmp_path / "images/mosaic.tif") as file:
        np.testing.assert_array_equal(read_original(corpus, mosaic).rgb, file.read([3, 2, 1]).transpose(1, 2, 0))


@pytest.mark.parametrize("bands", ["4,3,2", "1", "1,2", "5,4,3,2"])
def test_bands_on_the_command_line(tmp_path: Path, bands: str) -> None:
    settings: Any = pipeline.resolve(pipeline.open_run(tmp_path), sets=[f"index.bands={bands}"])["index"]
    assert settings.bands == tuple(int(band) for band in bands.split(","))
    with pytest.raises(UsageError, match="must be bands counted from 1 or by their names"):
        pipeline.resolve(RunDir(tmp_path, ARTEFACTS), sets=["index.bands=1,0"])


def test_resuming_takes_finished_tiles_as_they_are(made: tuple[RunDir, np.ndarray], tmp_path: Path) -> None:
    run, _ = made
    again = RunDir(tmp_path / "again", ARTEFACTS)
    shutil.copytree(run.root, again.root)
    partial = again.root / "masks.partial"
    (again.root / "masks").rename(partial)
    kept = sorted(path.name for path in (partial / "mosaic.tiles").iterdir())
    (partial / "mosaic.tiles" / kept[0]).unlink()
    before = (run.path("masks") / "mosaic.tiles" / kept[0]).read_bytes()
    times = {name: (partial / "mosaic.tiles" / name).stat().st_mtime_ns for name in kept[1:]}
    settings: Any = pipeline.resolve(run)["refine"]
    refine.run(settings.model_copy(update={"canvas_size": 48, "crf_iterations": 2}), again, Runtime(workers=1))
    found = again.path("masks") / "mosaic.tiles"
    assert (found / kept[0]).read_bytes() == before
    assert {name: (found / name).stat().st_mtime_ns for name in times} == times
    assert masks.load_index(again.path("masks")) == masks.load_index(run.path("masks"))


def test_a_mosaic_alone_is_a_corpus(made: tuple[RunDir, np.ndarray], tmp_path: Path) -> None:
    run, _ = made
    alone = run_all(run.root.parent / "images/mosaic.tif", tmp_path / "run", **{"export.formats": "cog"})
    assert [path.name for path in (alone.path("export") / "cog").glob("*.tif")] == ["mosaic.tif"]


def test_export_tells_of_photographs_left_out(
    made: tuple[RunDir, np.ndarray], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    run, _ = made
    again = RunDir(tmp_path / "again", ARTEFACTS)
    shutil.copytree(run.root, again.root, ignore=shutil.ignore_patterns("export"))  # else what stands is kept
    with caplog.at_level(logging.INFO, "segpipe"):
        summary = export.run(export.Config(formats=("cog",)), again, Runtime())
    assert summary.files == {"cog": 1}
    assert "3 photographs lie nowhere on the earth" in caplog.text

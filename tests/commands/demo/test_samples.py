"""Samples are what segpipe's own readers take, and labels say what was drawn, pixel for pixel."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image as Pillow
from rasterio.crs import CRS
from rasterio.transform import Affine

import segpipe
from segpipe.base.runtime import Runtime
from segpipe.commands.demo import samples, seabed
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.images.video import VideoReader
from segpipe.labels.ground_truth import read_truth
from segpipe.labels.point_labels import read_points
from segpipe.ops.drawing.reef import CLASSES
from segpipe.records.corpus import Corpus
from segpipe.stages.cover.sites import read_sites
from segpipe.store.corpus import load_corpus

SIDE = 240


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def index(images: Path, run: Path, **settings: object) -> Corpus:
    segpipe.index(images, run, settings={f"index.{key}": value for key, value in settings.items()})
    return load_corpus(run / "corpus")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    samples.write_photos(folder, count=7, seed=0)
    return folder


@pytest.fixture(scope="module")
def mosaic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mosaic")
    samples.write_mosaic(folder, seed=0, side=SIDE)
    return folder


@pytest.fixture(scope="module")
def dive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dive")
    samples.write_dive(folder, seed=0, frames=24)
    return folder


def test_photos_are_those_of_the_demo(photos: Path, tmp_path: Path) -> None:
    write_reef_corpus(tmp_path, images=7, seed=0)
    found = bytes_of(photos)
    assert {found.pop("points.csv"), found.pop("sites.csv")}
    assert found == bytes_of(tmp_path)


def test_points_agree_with_the_label_maps(photos: Path) -> None:
    with (photos / "points.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7 * samples.POINTS
    for row in rows:
        with Pillow.open((photos / "labels" / row["image"]).with_suffix(".png")) as labels:
            assert CLASSES[labels.getpixel((int(row["column"]), int(row["row"])))] == row["label"]
    assert {row["label"] for row in rows} == set(CLASSES)


def test_readers_take_the_tables(photos: Path, tmp_path: Path) -> None:
    corpus = index(photos / "images", tmp_path / "run")
    points = read_points(photos / "points.csv", corpus.images, classes=CLASSES)
    assert not points.unmatched
    assert [len(each.labels) for each in points.points.values()] == [samples.POINTS] * 7
    sites = read_sites(photos / "sites.csv", corpus.images, by="transect")
    assert not sites.unmatched
    assert sorted(sites.sites.values()) == ["middle"] * 2 + ["north"] * 3 + ["south"] * 2
    assert set(sites.gsd.values()) == {0.002}
    truth = read_truth(photos / "labels", photos / "classes.txt", corpus, Runtime())
    assert len(truth.sources) == 7
    assert not truth.unmatched


def test_the_mosaic_lies_on_the_earth_with_a_collar(mosaic: Path) -> None:
    with rasterio.open(mosaic / "mosaic.tif") as file:
        assert (file.height, file.width, file.count, file.dtypes) == (SIDE, SIDE, 3, ("uint8",) * 3)
        assert file.crs == CRS.from_epsg(32737)
        assert file.transform == Affine(0.01, 0, 565_000, 0, -0.01, 9_552_000)
        assert (file.nodata, file.compression.name, file.profile["tiled"]) == (0, "deflate", True)
        rgb = file.read().transpose(1, 2, 0)
    with Pillow.open(mosaic / "labels" / "mosaic.png") as image:
        labels = np.asarray(image)
    assert (labels.shape, labels.dtype) == ((SIDE, SIDE), np.uint8)
    np.testing.assert_array_equal((rgb == 0).all(-1), labels == 255)
    np.testing.assert_array_equal((rgb == 0).any(-1), labels == 255)
    assert set(np.unique(labels)) <= {*range(5), 255}
    assert 0.3 < (labels == 255).mean() < 0.5
    assert (mosaic / "classes.txt").read_text().split() == list(seabed.CLASSES)


def test_labels_are_those_of_the_mosaic(mosaic: Path, tmp_path: Path) -> None:
    corpus = index(mosaic / "mosaic.tif", tmp_path / "run", window=96)
    (image,) = corpus.images
    assert image.mosaic
    truth = read_truth(mosaic / "labels", mosaic / "classes.txt", corpus, Runtime())
    assert list(truth.sources) == [0]
    assert not truth.unmatched


def test_the_video_has_a_cut_and_labels_of_every_tenth_frame(dive: Path, tmp_path: Path) -> None:
    frames = list(VideoReader(dive / "dive.webm"))
    assert [frame.index for frame in frames] == list(range(24))
    assert {frame.rgb.shape for frame in frames} == {(240, 320, 3)}
    assert abs(frames[10].seconds - 1) < 0.01
    names = sorted(path.relative_to(dive / "labels").as_posix() for path in (dive / "labels").rglob("*.png"))
    assert names == [f"dive.webm/{i:06}.png" for i in (0, 10, 20)]
    corpus = index(dive / "dive.webm", tmp_path / "scenes", scene_threshold=27)
    assert [image.moment.index for image in corpus.images if image.moment] == [0, 12]


def test_labels_are_those_of_the_frames_that_a_run_takes(dive: Path, tmp_path: Path) -> None:
    corpus = index(dive / "dive.webm", tmp_path / "run")
    truth = read_truth(dive / "labels", dive / "classes.txt", corpus, Runtime())
    assert [image.moment.index for image in corpus.images if image.moment] == [0, 10, 20]
    assert len(truth.sources) == 3
    assert not truth.unmatched


@pytest.mark.parametrize("seed", range(1, 4))
def test_other_dives_have_one_cut_too(tmp_path: Path, seed: int) -> None:
    samples.write_dive(tmp_path / "dive", seed=seed, frames=16)
    corpus = index(tmp_path / "dive" / "dive.webm", tmp_path / "run", scene_threshold=27)
    assert [image.moment.index for image in corpus.images if image.moment] == [0, 8]


def test_a_sample_is_its_seed(photos: Path, mosaic: Path, dive: Path, tmp_path: Path) -> None:
    samples.write_photos(tmp_path / "photos", count=7, seed=0)
    assert bytes_of(tmp_path / "photos") == bytes_of(photos)
    (tmp_path / "mosaic").mkdir()
    samples.write_mosaic(tmp_path / "mosaic", seed=0, side=SIDE)
    assert bytes_of(tmp_path / "mosaic") == bytes_of(mosaic)
    samples.write_dive(tmp_path / "dive", seed=0, frames=24)
    for one, other in zip(*(VideoReader(each / "dive.webm") for each in (dive, tmp_path / "dive")), strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
    assert bytes_of(tmp_path / "dive" / "labels") == bytes_of(dive / "labels")
    samples.write_photos(tmp_path / "others", count=7, seed=1)
    assert bytes_of(tmp_path / "others")["points.csv"] != bytes_of(photos)["points.csv"]

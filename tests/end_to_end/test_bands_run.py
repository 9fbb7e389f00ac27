"""Rasters of four bands whose classes differ in the near infrared alone, through all stages, bundle and apply."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image as Pillow
from safetensors.torch import save_file

import segpipe
from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.geometry import Size
from segpipe.images.corpus_reader import read_original
from segpipe.store import masks
from segpipe.store.corpus import load_corpus, load_rejected
from segpipe.store.features import FeatureStore
from tests.helpers.bands import SIGNATURES, draw_bands, draw_classes, write_bands
from tests.helpers.tiny_vit import VIT

NAMES = ("B02", "B03", "B04", "B08")
SETTINGS: dict[str, Any] = {
    "extract.backbone": "classical",
    "extract.input_size": 192,
    "index.window": 128,
    "train.method": "pca",
    "cluster.k": 8,
    "cluster.method": "kmeans",
    "refine.crf": False,
    "runtime.workers": 1,
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[np.ndarray]]:
    """Six scenes of 128 pixels, four squares each."""
    folder, rng = tmp_path_factory.mktemp("scenes"), np.random.default_rng(0)
    drawn = [draw_classes(rng, 2, 64) for _ in range(6)]
    for i, classes in enumerate(drawn):
        write_bands(folder / f"{i}.tif", draw_bands(rng, classes, NAMES, noise=0.03), NAMES, meters=10)
    return folder, drawn


def agreement(run: Path, drawn: list[np.ndarray]) -> float:
    """Share of pixels whose cluster holds more pixels of their class than of any other."""
    counts = np.zeros((4, SETTINGS["cluster.k"]))
    for i, classes in enumerate(drawn):
        mask = masks.read_mask(masks.mask_path(run / "masks", str(i)))
        np.add.at(counts, (classes.ravel(), mask.ravel()), 1)
    return float(counts.max(axis=0).sum() / counts.sum())


def test_classes_of_the_near_infrared_are_found_with_it_and_not_without(
    scenes: tuple[Path, list[np.ndarray]], tmp_path: Path
) -> None:
    folder, drawn = scenes
    found = {}
    for bands in ("B02,B03,B04,B08", "B04,B03,B02"):
        run = tmp_path / str(len(bands))
        segpipe.run(folder, run, settings={**SETTINGS, "index.bands": bands}, stop="refine")
        found[bands] = agreement(run, drawn)
    assert found["B02,B03,B04,B08"] > 0.9
    assert found["B04,B03,B02"] < 0.7


def test_a_bundle_of_channels_makes_the_same_masks_and_says_which_band_is_missing(
    scenes: tuple[Path, list[np.ndarray]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, _ = scenes
    run = tmp_path / "run"
    math = "ndvi=(B08-B04)/(B08+B04)"
    segpipe.run(folder, run, settings={**SETTINGS, "index.bands": "B08,ndvi", "index.band_math": math}, stop="refine")
    corpus = load_corpus(run / "corpus")
    assert corpus.channels == ("B08", "ndvi")
    assert set(corpus.scaling) == {"float32 B08", "float32 ndvi"}
    assert FeatureStore(run / "features").header.channels == ("B08", "ndvi")
    segpipe.bundle(run, tmp_path / "m.segpipe")
    applied = dict(segpipe.apply(tmp_path / "m.segpipe", str(folder)))
    assert len(applied) == 6
    for name, mask in applied.items():
        np.testing.assert_array_equal(mask, masks.read_mask(masks.mask_path(run / "masks", name)))
    write_bands(tmp_path / "less" / "a.tif", np.ones((3, 64, 64), np.uint16), NAMES[:3])
    assert not list(segpipe.apply(tmp_path / "m.segpipe", str(tmp_path / "less")))
    assert "a.tif: has the bands B02, B03, B04, and none of them is 'B08'" in caplog.text


def test_a_network_sees_three_channels_at_a_time_or_as_many_as_its_weights_take(
    scenes: tuple[Path, list[np.ndarray]], tmp_path: Path, one_torch_thread: None
) -> None:
    folder, _ = scenes
    settings = {**SETTINGS, "extract.backbone": VIT, "extract.input_size": 64, "index.bands": "all"}
    dims = {}
    for views, inputs in (("auto,pca", 3), ("all", 4)):
        torch.manual_seed(0)
        model = timm.create_model(VIT, num_classes=0, in_chans=inputs)
        save_file(model.state_dict(), tmp_path / "vit.safetensors")
        own = {**settings, "extract.weights": tmp_path / "vit.safetensors", "extract.views": views}
        run = tmp_path / views
        segpipe.run(folder, run, settings=own, stop="extract")
        header = FeatureStore(run / "features").header
        assert header.channels == NAMES
        dims[views] = header.dim, [view.name for view in header.views]
    assert dims == {
        "auto,pca": (3 * 192, ["B04+B03+B02", "B08+B04+B03", "pca"]),
        "all": (192, []),
    }
    own = {**settings, "extract.weights": tmp_path / "vit.safetensors"}
    with pytest.raises(UsageError, match=r"192 x 4 x 16 x 16 in the file, 192 x 3 x 16 x 16 in the network"):
        segpipe.run(folder, tmp_path / "three", settings=own, stop="extract")


def test_views_of_photographs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Pillow.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "images" / "a.png")
    settings = {**SETTINGS, "extract.backbone": VIT, "extract.views": "pca"}
    with pytest.raises(UsageError, match=r"extract.views.*pca.*the images are red, green and blue; name more bands"):
        segpipe.run(tmp_path / "images", tmp_path / "run", settings=settings, stop="extract")
    with pytest.raises(UsageError, match=r"classical is no network and has no views"):
        segpipe.run(
            tmp_path / "images", tmp_path / "two", settings={**SETTINGS, "extract.views": "pca"}, stop="extract"
        )


def test_a_folder_of_sentinel_2_and_a_plain_one_are_one_image_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    inside = tmp_path / "images" / "S2A.SAFE" / "GRANULE" / "L2A" / "IMG_DATA"
    classes = draw_classes(rng, 3, 32)
    for meters, names in ((10, NAMES), (20, ("B02", "B11"))):
        some = classes[:: meters // 10, :: meters // 10]
        for name, band in zip(names, draw_bands(rng, some, names), strict=True):
            path = inside / f"R{meters}m" / f"T32_20240601_{name}_{meters}m.jp2"
            write_bands(path, band[None], meters=meters, driver="JP2OpenJPEG")
    write_bands(inside / "R10m" / "T32_20240601_AOT_10m.jp2", np.ones((1, 96, 96), np.uint16), driver="JP2OpenJPEG")
    for name, band in zip(SIGNATURES, draw_bands(rng, classes, list(SIGNATURES)), strict=True):
        write_bands(tmp_path / "images" / "plain" / f"x_{name}.tif", band[None])
    settings = {**SETTINGS, "index.bands": "B02,B03,B04,B08,B11", "index.band_files": "sentinel2", "index.window": 64}
    segpipe.run(tmp_path / "images", tmp_path / "run", settings=settings, stop="index")
    corpus = load_corpus(tmp_path / "run" / "corpus")
    scene = "S2A.SAFE/GRANULE/L2A/IMG_DATA/T32_20240601"
    assert [(image.id, image.mosaic, image.size) for image in corpus.images] == [
        (scene, True, Size(96, 96)),
        ("plain/x", False, Size(96, 96)),
    ]
    pixels = read_original(corpus, corpus.images[0])
    assert pixels.channels is not None
    assert pixels.channels.shape == (96, 96, 5)
    swir = pixels.channels[..., 4]
    np.testing.assert_array_equal(swir, swir[::2, ::2].repeat(2, axis=0).repeat(2, axis=1))
    np.testing.assert_array_equal(pixels.rgb, pixels.channels[..., [2, 1, 0]])


def test_thermal_images_beside_photographs_are_read_with_them_and_watched(tmp_path: Path) -> None:
    folder, rng = tmp_path / "images", np.random.default_rng(2)
    folder.mkdir()
    for name in "ab":
        Pillow.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8)).save(folder / f"{name}.png")
        write_bands(folder / f"{name}_thermal.tif", rng.normal(20, 3, (1, 30, 40)).astype(np.float32))
    settings = {**SETTINGS, "index.beside": "_thermal"}
    segpipe.run(folder, tmp_path / "run", settings=settings, stop="extract")
    corpus = load_corpus(tmp_path / "run" / "corpus")
    assert [image.id for image in corpus.images] == ["a", "b"]
    assert corpus.channels == ("red", "green", "blue", "thermal")
    assert corpus.scaling["float32 red"] == (0.0, 255.0)
    pixels = read_original(corpus, corpus.images[0])
    with Pillow.open(folder / "a.png") as photo:
        np.testing.assert_array_equal(pixels.rgb, np.asarray(photo))
    write_bands(folder / "a_thermal.tif", np.zeros((1, 30, 40), np.float32))
    with pytest.raises(CorpusError, match="it or a file beside it has other bytes"):
        read_original(corpus, corpus.images[0])
    (folder / "b_thermal.tif").unlink()
    segpipe.run(folder, tmp_path / "run", settings=settings, stop="index")
    assert [image.id for image in load_corpus(tmp_path / "run" / "corpus").images] == ["a"]
    rejected = load_rejected(tmp_path / "run" / "corpus")
    assert "has channels red, green, blue where most have red, green, blue, thermal" in rejected[0].reason

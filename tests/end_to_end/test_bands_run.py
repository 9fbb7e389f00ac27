"""Rasters of four bands whose classes differ in the near infrared alone, through all stages, bundle and apply."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import segpipe
from segpipe.store import masks
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from tests.helpers.bands import draw_bands, draw_classes, write_bands

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

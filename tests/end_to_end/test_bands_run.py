"""Rasters of four bands whose classes differ in the near infrared alone, through all stages, bundle and apply."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import segpipe
from segpipe.base.errors import CorpusError
from segpipe.store import masks
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from tests.helpers.bands import draw_bands, draw_classes, write_bands

NAMES = ("B02", "B03", "B04", "B08")
SETTINGS: dict[str, Any] = {
    "extract.backbone": "classical",
    "extract.input_size": 128,
    "index.window": 128,
    "train.method": "pca",
    "cluster.k": 4,
    "refine.crf": False,
    "runtime.workers": 1,
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[np.ndarray]]:
    """Four scenes of 128 pixels."""
    folder, rng = tmp_path_factory.mktemp("scenes"), np.random.default_rng(0)
    drawn = [draw_classes(rng, 4, 32) for _ in range(4)]
    for i, classes in enumerate(drawn):
        write_bands(folder / f"{i}.tif", draw_bands(rng, classes, NAMES), NAMES, meters=10)
    return folder, drawn


def agreement(run: Path, drawn: list[np.ndarray]) -> float:
    """Share of pixels in clusters of their class, each class with a cluster of its own."""
    counts = np.zeros((4, 4))
    for i, classes in enumerate(drawn):
        mask = masks.read_mask(masks.mask_path(run / "masks", str(i)))
        np.add.at(counts, (classes.ravel(), mask.ravel()), 1)
    return float(counts[linear_sum_assignment(-counts)].sum() / counts.sum())


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
    scenes: tuple[Path, list[np.ndarray]], tmp_path: Path
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
    segpipe.apply(tmp_path / "m.segpipe", folder, tmp_path / "out")
    for i in range(4):
        own = masks.mask_path(run / "masks", str(i))
        assert own.read_bytes() == masks.mask_path(tmp_path / "out" / "masks", str(i)).read_bytes()
    write_bands(tmp_path / "less" / "a.tif", np.ones((3, 64, 64), np.uint16), NAMES[:3])
    with pytest.raises(CorpusError, match=r"a.tif: has the bands B02, B03, B04, and none of them is 'B08'"):
        segpipe.apply(tmp_path / "m.segpipe", tmp_path / "less", tmp_path / "none")

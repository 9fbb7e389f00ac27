"""Masks that are known again, of a run whose images are few."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from segpipe import pipeline
from segpipe.base import checksums
from segpipe.inference.inputs import SegmentInputs
from segpipe.inference.known_masks import mask_keys, take_masks
from segpipe.records.corpus import Corpus, FrameInfo
from segpipe.stages import refine
from segpipe.stages.refine.refine_settings import segment_config
from segpipe.store.clusters import open_clusters
from segpipe.store.crop_keys import MASK_KEYS, load_keys
from segpipe.store.run_dir import RunDir
from tests.helpers.quick_run import reef_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    settings = {"refine.certainty": True, "refine.crf": False}
    return reef_run(tmp_path_factory.mktemp("reef"), images=4, settings=settings)


@pytest.fixture
def run_dir(made: RunDir, tmp_path: Path) -> RunDir:
    shutil.copytree(made.root, tmp_path / "run")
    return pipeline.open_run(tmp_path / "run")


def inputs_of(run_dir: RunDir) -> SegmentInputs:
    config = pipeline.resolve(run_dir)["refine"]
    assert isinstance(config, refine.Config)
    clusters = open_clusters(run_dir)
    return refine.open_inputs(run_dir, clusters, segment_config(config, clusters))


def renamed(corpus: Corpus) -> Corpus:
    images = tuple(replace(image, id=f"sub/{i}") for i, image in enumerate(corpus.images))
    return replace(corpus, images=images)


def test_masks_go_over_to_the_new_name_of_their_image(run_dir: RunDir, tmp_path: Path) -> None:
    inputs, settings = inputs_of(run_dir), pipeline.resolve(run_dir)["refine"].identity()
    keys = mask_keys(inputs, run_dir, {"format": refine.FORMAT, **settings})
    there = load_keys(run_dir.root / "masks" / MASK_KEYS)
    assert there is not None
    assert np.array_equal(keys, there)
    keys[1] = 0  # another picture
    now = replace(inputs, corpus=renamed(inputs.corpus))
    for _ in range(2):  # the second goes on where the first was killed
        assert take_masks(run_dir, keys, now, tmp_path / "out") == 3
    for i in (0, 2, 3):
        for folder in ("", "certainty/margin/", "certainty/entropy/"):
            old = run_dir.root / "masks" / f"{folder}{inputs.corpus.images[i].id}.png"
            assert (tmp_path / "out" / f"{folder}sub/{i}.png").read_bytes() == old.read_bytes()
    assert len(list((tmp_path / "out").rglob("*.png"))) == 9


def test_what_changed_on_disk_is_not_taken_over(run_dir: RunDir, tmp_path: Path) -> None:
    inputs = inputs_of(run_dir)
    keys = load_keys(run_dir.root / "masks" / MASK_KEYS)
    assert keys is not None
    first, second = (inputs.corpus.images[i].id for i in (0, 1))
    (run_dir.root / "masks" / f"{first}.png").write_bytes(b"damaged")
    (run_dir.root / "masks" / "certainty" / "margin" / f"{second}.png").unlink()
    assert take_masks(run_dir, keys, inputs, tmp_path / "out") == 2
    assert not (tmp_path / "out" / f"{second}.png").exists()  # the mask is the last: where it is, all are
    (run_dir.root / "masks" / MASK_KEYS).unlink()
    sums = run_dir.root / "masks" / checksums.NAME
    sums.write_text("".join(line for line in sums.read_text().splitlines(True) if MASK_KEYS not in line))
    assert take_masks(run_dir, keys, inputs, tmp_path / "other") == 0
    run_dir.record("refine", None)
    assert take_masks(run_dir, keys, inputs, tmp_path / "other") == 0


def test_a_key_speaks_of_settings_and_of_the_whole_film(run_dir: RunDir) -> None:
    inputs = inputs_of(run_dir)
    keys = mask_keys(inputs, run_dir, {"sharpness": 1})
    assert not (mask_keys(inputs, run_dir, {"sharpness": 2}) == keys).all(axis=1).any()
    frames = [replace(each, moment=FrameInfo("a.mp4", i, i, 1)) for i, each in enumerate(inputs.corpus.images[:3])]
    film = replace(inputs.corpus, images=(*frames, inputs.corpus.images[3]))
    steady = replace(inputs, corpus=film, config=replace(inputs.config, steady=1))
    before = mask_keys(steady, run_dir, {})
    other = replace(frames[2], sha256="f" * 64)
    images = (*frames[:2], other, inputs.corpus.images[3])
    after = mask_keys(replace(steady, corpus=replace(film, images=images)), run_dir, {})
    assert (before == after).all(axis=1).tolist() == [False, False, False, True]

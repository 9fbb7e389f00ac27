"""Rows of a finished store that are known again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segpipe.base.geometry import Box, Size
from segpipe.inference.encoder import WHITENING
from segpipe.inference.known_features import (
    crop_keys,
    describe_new,
    find_known,
    fitting,
    known_codec,
    settled_precision,
    take_fit,
)
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.kept import KeptClasses
from segpipe.records.manifest import StageRecord
from segpipe.records.view import View
from segpipe.store.corpus import load_corpus
from segpipe.store.crop_keys import CROP_KEYS, save_keys
from segpipe.store.features import FeatureStore, FeatureWriter, create_features, stored_header
from segpipe.store.kept import save_kept
from segpipe.store.run_dir import RunDir
from tests.helpers.planted_run import plant

PARTS: dict[str, Any] = {"format": 1, "settings": {"backbone": "planted"}}


def corpus_of(images: int) -> Corpus:
    """Images of one byte more each, as fingerprints go."""
    found = [Image(f"{i}", f"{i}.png", Size(48, 64), "uint8", f"{i:064}", 1) for i in range(images)]
    return Corpus(Path("/photos"), tuple(found), tuple(Crop(i, Box(0, 0, 48, 64)) for i in range(images)))


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    """A run with features of 6 crops, recorded in its manifest."""
    made, _ = plant(tmp_path, images=6)
    corpus = load_corpus(made.path("corpus"))
    images = tuple(replace(image, sha256=f"{i:064}") for i, image in enumerate(corpus.images))
    save_keys(crop_keys(replace(corpus, images=images)), made.root / "features" / CROP_KEYS)
    record = StageRecord(
        key="k", artefact="a", parts=PARTS, summary={}, seconds=0, finished="", versions={}, machine={}
    )
    made.record("extract", record)
    return made


def test_a_crop_is_known_by_what_is_seen_of_it() -> None:
    corpus = corpus_of(2)
    first, second = crop_keys(corpus)
    assert not np.array_equal(first, second)
    one = corpus.images[0]
    for same in (replace(one, id="b/x", path="b/x.png"), replace(one, notes=("a note",))):
        moved = Corpus(Path("/elsewhere"), (same,), (Crop(0, Box(0, 0, 48, 64)),))
        assert np.array_equal(crop_keys(moved)[0], first)
    deep = replace(one, depth="uint16")
    others = [
        Corpus(corpus.root, (one,), (Crop(0, Box(0, 0, 48, 60)),)),
        replace(corpus, bands=(3, 2, 1)),
        replace(corpus, images=(replace(one, view=View(any_band=True)), corpus.images[1])),
        *(replace(corpus, images=(deep, corpus.images[1]), scaling={"uint16": (0, top)}) for top in (9.0, 10.0)),
    ]
    keys = [crop_keys(other)[0].tobytes() for other in others]
    assert len({first.tobytes(), *keys}) == 1 + len(others)


def new_keys(run_dir: RunDir) -> Any:
    """Of a corpus that has lost its first image and has one that is new, in another order."""
    corpus = load_corpus(run_dir.path("corpus"))
    images = [replace(image, sha256=f"{i:064}") for i, image in enumerate(corpus.images)]
    order = [3, 1, 2, 4, 5]
    chosen = [*(images[i] for i in order), replace(images[0], id="new", sha256="f" * 64)]
    crops = tuple(Crop(i, Box(0, 0, image.size.height, image.size.width)) for i, image in enumerate(chosen))
    return crop_keys(Corpus(corpus.root, tuple(chosen), crops)), [*order, 0]


def test_known_rows_are_copied_and_the_others_described(run_dir: RunDir, tmp_path: Path) -> None:
    keys, order = new_keys(run_dir)
    known = find_known(run_dir, keys, PARTS, fitted=False)
    assert known is not None
    assert dict(known.rows) == dict(enumerate(order[:-1]))
    old = FeatureStore(run_dir.path("features"))
    create_features(tmp_path, old.header, old.grids[order])
    writer = FeatureWriter(tmp_path)
    assert fitting(known, writer.header, tmp_path) is known
    assert known_codec(known, writer.header) is None
    asked: list[list[int]] = []

    def describe(new: list[list[int]]) -> Any:
        asked.extend(new)
        return ((rows, [old.stored(range(1))[0] for _ in rows]) for rows in new)

    for shard, features in describe_new(known, writer.pending(), describe):
        writer.write(shard, features)
    assert asked == [[5]]
    store = FeatureStore(tmp_path)
    store.check()
    for row, was in enumerate(order):
        assert np.array_equal(store.patches(row), old.patches(was))
        assert np.array_equal(store.vectors()[row], old.vectors()[was])


def test_nothing_is_known_of_other_settings_or_features(run_dir: RunDir, tmp_path: Path) -> None:
    keys, _ = new_keys(run_dir)
    assert find_known(run_dir, keys, {**PARTS, "format": 2}, fitted=False) is None
    assert find_known(run_dir, np.zeros_like(keys), PARTS, fitted=False) is None
    known = find_known(run_dir, keys, PARTS, fitted=True)
    assert known is not None
    other = replace(stored_header(run_dir.path("features")), source="other weights")
    assert fitting(known, other, tmp_path) is None
    assert known_codec(known, other) is None
    (run_dir.root / "features" / CROP_KEYS).unlink()
    assert find_known(run_dir, keys, PARTS, fitted=False) is None


def test_a_fit_to_a_few_crops_is_made_again_unless_classes_are_kept(run_dir: RunDir, tmp_path: Path) -> None:
    few, _ = new_keys(run_dir)
    keys = np.concatenate([few, np.zeros((20, 16), np.uint8)])
    assert find_known(run_dir, keys, PARTS, fitted=True) is None
    (tmp_path / WHITENING).write_bytes(b"fit")
    assert settled_precision(run_dir, None) == ""
    save_kept(KeptClasses("h", "c", 6, {"precision": "bfloat16"}), run_dir.root, tmp_path / WHITENING)
    assert settled_precision(run_dir, None) == "bfloat16"
    known = find_known(run_dir, keys, PARTS, fitted=True)
    assert settled_precision(run_dir, known) == "float32"  # of the features that are there
    take_fit(run_dir, None, tmp_path / "out")
    assert (tmp_path / "out" / WHITENING).read_bytes() == b"fit"

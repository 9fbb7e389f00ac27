"""Scales of deep images, found or settled."""

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from segpipe.base.runtime import Runtime
from segpipe.records.kept import KeptClasses
from segpipe.stages import ARTEFACTS, index
from segpipe.store.corpus import load_corpus, load_scaling
from segpipe.store.kept import save_kept
from segpipe.store.run_dir import RunDir


def scaling_of(images: Path, run: Path) -> dict[str, tuple[float, float]]:
    runs = RunDir(run, ARTEFACTS)
    index.run(index.Config(images=str(images)), runs, Runtime(workers=1))
    corpus = load_corpus(runs.path("corpus"))
    assert load_scaling(run / "corpus") == dict(corpus.scaling)
    return dict(corpus.scaling)


def test_deep_images_are_scaled_as_those_that_kept_classes_were_found_on(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    values = np.random.default_rng(0).integers(0, 2000, (40, 60)).astype(np.uint16)
    Pillow.fromarray(values).save(photos / "a.png")
    Pillow.fromarray(np.zeros((40, 60, 3), np.uint8)).save(photos / "b.png")
    (found,) = scaling_of(photos, tmp_path / "first").values()
    assert 1900 < found[1] < 2000
    save_kept(KeptClasses("", "", 1, space={"scaling": {"uint16": [5.0, 500.0]}}), tmp_path / "second", None)
    assert scaling_of(photos, tmp_path / "second") == {"uint16": (5.0, 500.0)}
    save_kept(KeptClasses("", "", 1, space={"scaling": {"float32": [0.0, 1.0]}}), tmp_path / "third", None)
    assert scaling_of(photos, tmp_path / "third") == {"uint16": found}


def test_a_scale_that_is_nearer_is_taken_of_several(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    values = np.random.default_rng(0).integers(0, 2000, (40, 60)).astype(np.uint16)
    Pillow.fromarray(values).save(photos / "a.png")
    Pillow.fromarray(values // 40).save(photos / "b.png")
    settled = {"uint16": [0.0, 30_000.0], "uint16~2": [0.0, 1500.0], "uint16~3": [0.0, 60.0]}
    save_kept(KeptClasses("", "", 1, space={"scaling": settled}), tmp_path / "run", None)
    assert scaling_of(photos, tmp_path / "run") == {"uint16~2": (0.0, 1500.0), "uint16~3": (0.0, 60.0)}


def test_no_corpus_has_no_scaling(tmp_path: Path) -> None:
    assert load_scaling(tmp_path) == {}

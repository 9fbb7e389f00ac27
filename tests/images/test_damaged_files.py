"""Damaged images and films in `index`: whatever a decoder does, every file is an image or skipped with a reason."""

import os
from pathlib import Path

import pytest

from segpipe.base.errors import CorpusError
from segpipe.base.runtime import Runtime
from segpipe.images.corpus_reader import read_original
from segpipe.stages import ARTEFACTS, index
from segpipe.store.corpus import load_corpus, load_rejected
from segpipe.store.run_dir import RunDir
from trials.mutations import FILMS, KINDS, mutations, small_file

COUNT = int(os.environ.get("SEGPIPE_MUTATIONS", "25"))
"""Damaged files of each kind."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_damaged_file_is_an_image_or_told_and_can_be_read_later(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "in"
    root.mkdir()
    whole = small_file(kind, tmp_path)
    (root / f"whole.{kind}").write_bytes(whole)
    for i, content in enumerate(mutations(whole, COUNT)):
        (root / f"{i}.{kind}").write_bytes(content)
    run = RunDir(tmp_path / "run", ARTEFACTS)
    index.run(index.Config(images=str(root), max_pixels=10**6, frame_step=1), run, Runtime(workers=2))
    corpus, rejected = load_corpus(run.path("corpus")), load_rejected(run.path("corpus"))
    told = {item.path for item in rejected} | {
        image.moment.video if image.moment else image.path for image in corpus.images
    }
    assert told == {path.name for path in root.iterdir()}
    assert all(item.reason and "\n" not in item.reason for item in rejected)
    assert f"whole.{kind}" not in {item.path for item in rejected}
    for image in corpus.images:
        assert read_original(corpus, image).rgb.shape == (image.size.height, image.size.width, 3)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in FILMS])
def test_of_cut_images_none_is_used(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "in"
    root.mkdir()
    whole = small_file(kind, tmp_path)
    for length in range(1, len(whole), max(1, len(whole) // COUNT)):
        (root / f"{length}.{kind}").write_bytes(whole[:length])
    run = RunDir(tmp_path / "run", ARTEFACTS)
    with pytest.raises(CorpusError, match="can be used"):
        index.run(index.Config(images=str(root)), run, Runtime(workers=2))

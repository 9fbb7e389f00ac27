"""Quick runs of a small drawn reef, from images to masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import segpipe
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.pipeline import open_run
from segpipe.store.run_dir import RunDir

SMALL: dict[str, object] = {
    "extract.input_size": 96,
    "train.method": "pca",
    "cluster.k": 4,
    "cluster.patches": 4000,
    "refine.crf_iterations": 2,
    "runtime.workers": 1,
}
"""Settings of a quick run."""
CLASSICAL: dict[str, object] = {"extract.backbone": "classical"}


def reef_run(folder: Path, *, images: int, settings: Mapping[str, object] | None = None) -> RunDir:
    """A run in `folder/run` of drawn photographs with classical features."""
    write_reef_corpus(folder, images=images, seed=3)
    whole = {**SMALL, **CLASSICAL, **(settings or {})}
    segpipe.run(folder / "images", folder / "run", settings=whole, stop="refine")
    return open_run(folder / "run")

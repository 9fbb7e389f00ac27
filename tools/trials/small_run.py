"""A small run of drawn photographs, made once and copied for every trial."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from segpipe.commands.demo.samples import write_photos
from trials.child import one, segpipe

SETTINGS = tuple(
    part
    for pair in (
        *("extract.input_size=96", "cluster.k=4", "cluster.prototypes=16", "cluster.patches=2000", "train.method=pca"),
        *("refine.crf_iterations=1", "refine.canvas_size=160", "runtime.workers=1", "report.images=2"),
    )
    for part in ("--set", pair)
)
"""Of the quickest run that there is."""


_PLACE = tempfile.TemporaryDirectory()
"""Lives as long as this process."""


def make(folder: Path) -> Path:
    """Copy photographs to `folder/data` and a run of them to `folder/run`; returns the run."""
    whole = _made()
    for part in ("data", "run"):
        shutil.copytree(whole / part, folder / part)
    return folder / "run"


@cache
def _made() -> Path:
    whole = Path(_PLACE.name)
    data, run = whole / "data", whole / "run"
    done(lambda: write_photos(data, count=6, seed=1), whole)
    done(segpipe("run", data / "images", run, "--config", "demo", "-q", "--to", "refine", *SETTINGS), whole)
    return whole


def done(work: Callable[[], None], folder: Path) -> None:
    """Do some work in a child; a RuntimeError where it fails: nothing can be tried then."""
    folder.mkdir(parents=True, exist_ok=True)
    ended = one(work, folder / "logs")
    if ended.code not in (0, 4):
        raise RuntimeError(f"exit {ended.code}: {ended.text}")


def copy(run: Path, place: Path) -> Path:
    """A copy of a run in a new folder; returns it."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(run, place / "run", symlinks=True)
    return place / "run"

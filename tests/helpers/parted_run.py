"""Runs that are done in parts: a drawn reef, shards of few crops, and every byte of an artefact."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from segpipe import pipeline
from segpipe.base.options import Face, make
from segpipe.base.parts import parse_part
from segpipe.base.remote_path import is_url, place
from segpipe.base.runtime import no_track
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.commands.plan import COMMAND as PLAN
from segpipe.pipeline.part_merge import MergedStage, merge_parts
from segpipe.pipeline.part_plan import make_plan
from segpipe.pipeline.part_work import do_parts
from segpipe.store import features
from segpipe.store.run_dir import RunDir
from tests.helpers.quick_run import CLASSICAL, SMALL

IMAGES = 9
SETTINGS: dict[str, Any] = {**SMALL, **CLASSICAL}


@contextmanager
def small_shards(crops: int = 2) -> Iterator[None]:
    """Shards of so many crops of a reef; it counts where a store is laid out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_SHARD_BYTES", crops * 2 * 8 * 8 * 64)
        yield


def settings_of(run: Path) -> tuple[RunDir, Any]:
    run_dir = pipeline.existing_run(run)
    return run_dir, pipeline.resolve(run_dir)


def plan_reef(folder: Path, run: str, *, parts: int, images: int = IMAGES, **more: Any) -> Path:
    """A run of a drawn reef that is indexed and planned, in a folder or at a URL."""
    if not (folder / "images").exists():
        write_reef_corpus(folder, images=images, seed=3)
    place_of = place(run) if is_url(run) else folder / run
    given = {"run": place_of, "parts": parts, "images": str(folder / "images"), **more}
    layers = (pipeline.run_settings.Layer("", SETTINGS),)
    PLAN.work(make(PLAN.options, given), Face(layers=layers))
    return place_of


def do(run: Path, stage: str, part: str, **options: Any) -> int:
    """What `segpipe STAGE RUN --part PART` does."""
    return do_parts(*settings_of(run), no_track, stage, parse_part(part, {}), **options)


def merge(run: Path, **options: Any) -> dict[str, MergedStage]:
    return {each.stage: each for each in merge_parts(*settings_of(run), no_track, **options)}


def between(run: Path) -> None:
    """The stages between `extract` and `refine`."""
    pipeline.work(*settings_of(run), no_track, start="mine", stop="cluster")


def copied(run: Path, to: Path) -> Path:
    shutil.copytree(run, to)
    return to


def artefact(run: Path, name: str) -> dict[str, bytes]:
    """Every file of an artefact by its path."""
    files = sorted(path for path in (run / name).rglob("*") if path.is_file())
    return {path.relative_to(run / name).as_posix(): path.read_bytes() for path in files}


def replan(run: Path, *, parts: int) -> None:
    """Cut a run anew."""
    make_plan(*settings_of(run), no_track, parts, overwrite=True)

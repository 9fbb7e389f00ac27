"""What `segpipe run --dry-run` says: each stage, why it runs, and the disk and time to expect."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Group

from segpipe import pipeline
from segpipe.base.config import Section
from segpipe.base.cost import Work
from segpipe.base.shown import counted
from segpipe.base.tables import plain_table
from segpipe.images.validate import expect_frames
from segpipe.images.video import is_video
from segpipe.stages import cost_of, index, input_files
from segpipe.store.class_names import CLASSES
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir


def expect(steps: Sequence[pipeline.Step], settings: Mapping[str, Section], run_dir: RunDir) -> Group:
    """The plan as a table, with sums. Times are estimates from a moment's measurement of this machine."""
    again = next((step.reason for step in steps if step.stage.NAME == "index" and step.action == "run"), "")
    work, preview = _work(settings, run_dir, again), int(getattr(settings["index"], "preview", 0))
    if 0 < preview < work.images:
        work = _scaled(work, preview)
    table = plain_table("stage", "action", "time", "disk", "reason")
    seconds = bytes_ = 0.0
    for step in steps:
        cells = ["", ""]
        if step.action == "run":
            cost = cost_of(step.stage, settings, work)
            seconds, bytes_ = seconds + cost.seconds, bytes_ + cost.bytes
            cells = [_duration(cost.seconds), _amount(cost.bytes)]
        table.add_row(step.stage.NAME, step.action, *cells, step.reason)
    existing = next(path for path in (run_dir.root.absolute(), *run_dir.root.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    disk = f"{_amount(bytes_)} of disk ({_amount(free)} free)"
    total = f"{counted(work.images, 'image')}: about {_duration(seconds)} and {disk}"
    lines = [total + ("" if bytes_ < free else "; this will not fit")]
    running = {step.stage.NAME for step in steps if step.action == "run"}
    if running & {"cluster", "refine"} and (run_dir.root / CLASSES).exists():
        lines.append(
            f"names in {CLASSES} will be carried over by pixels where the clusters become others; what is there now "
            f"is kept in {CLASSES}.before"
        )
    return Group(table, "", *lines)


def _work(settings: Mapping[str, Section], run_dir: RunDir, again: str) -> Work:
    """The work that there is: by the images that were indexed or, where that is to be done again, by the files now."""
    gflops = machine_gflops()
    workers = pipeline.make_runtime(settings).workers
    config: Any = settings["index"]
    if run_dir.has("corpus") and (again in ("", pipeline.FILES_CHANGED) or not config.images):
        corpus = load_corpus(run_dir.path("corpus"))
        pixels = sum(image.size.height * image.size.width for image in corpus.images)
        wide = sum(corpus.images[crop.image].mosaic for crop in corpus.crops)
        kept = sum(image.size.height * image.size.width for image in corpus.images if image.moment) / 1e6
        work = Work(
            len(corpus.images), len(corpus.crops), pixels / 1e6, workers, gflops, wide, kept,
            channels=len(corpus.channels),
        )  # fmt: skip
        if not again or not config.images:
            return work
        paths = input_files(pipeline.BY_NAME["index"], config)
        if not kept and not any(map(is_video, paths)):  # as large as those that are known
            return _scaled(work, len(paths))
    paths = input_files(pipeline.BY_NAME["index"], config)
    videos = [path for path in paths if is_video(path)]
    frames = expect_frames(videos, index.choice_of(config))
    images = len(paths) - len(videos) + frames.frames
    crops = images * {"five": 5, "windows": 6}.get(config.crops, 1)
    # before anything else is opened: a photograph's JPEG holds about three pixels a byte
    pixels = sum(path.stat().st_size for path in paths if not is_video(path)) * 3
    taken, decoded = frames.megapixels, frames.decoded
    stack = index.stack_of(config)
    channels = 0 if stack is None else stack.channels
    return Work(images, crops, pixels / 1e6 + taken, workers, gflops, 0, taken, decoded, channels)


def _scaled(work: Work, images: int) -> Work:
    """The work of so many images of the same kind."""
    factor = images / work.images
    crops, wide = round(work.crops * factor), round(work.mosaic_windows * factor)
    return replace(work, images=images, crops=crops, megapixels=work.megapixels * factor, mosaic_windows=wide)


def machine_gflops() -> float:
    """Billions of multiply-add operations times two per second of a float32 matrix product, measured for a moment."""
    import torch

    a = torch.ones(1024, 1024)
    rates = []
    for _ in range(6):
        start = time.perf_counter()
        a @ a
        rates.append(2 * 1024**3 / (time.perf_counter() - start) / 1e9)
    return max(rates)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _amount(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"

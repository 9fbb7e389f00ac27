"""`segpipe sample`: drawn data with exact labels; `segpipe demo`: every stage on a small drawn reef."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from segpipe import pipeline
from segpipe.base.files import absolute
from segpipe.base.options import Command, Face, Report
from segpipe.commands.demo.options import DemoOptions, SampleOptions
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import load_scores

if TYPE_CHECKING:
    from segpipe.commands.demo.writers import Sample


def _sample(options: SampleOptions, face: Face) -> Sample:
    from segpipe.commands.demo.writers import write_sample

    return write_sample(options)


def _report_sample(done: Sample, options: SampleOptions) -> Report:
    lines = [f"{what:<8} {options.out / name}{more}" for what, name, more in done.lines]
    if done.earlier:
        lines.append(f"{options.out} was there already and is left as it is")
    run = Path("runs") / (options.out.name or "sample")
    command = ["segpipe", "run", str(options.out / done.images), str(run), "--backbone", "classical", *done.flags]
    return Report([*lines, f"next: {shlex.join(command)}"])


def _demo(options: DemoOptions, face: Face) -> RunDir:
    from segpipe.commands.demo.synthetic import write_reef_corpus

    run_dir = pipeline.open_run(options.run)
    reef = options.run / "reef"
    with run_dir.lock():  # two at once would draw into the same files
        if not (reef / "classes.txt").exists():
            write_reef_corpus(reef, images=24, seed=0)
    own = {
        "index.images": absolute(str(reef / "images")),
        "evaluate.labels": absolute(str(reef / "labels")),
        "evaluate.classes": absolute(str(reef / "classes.txt")),
    }
    settings = pipeline.resolve(run_dir, config="demo", more=own, layers=face.layers)
    pipeline.work(run_dir, settings, face.track)
    return run_dir


def _report_demo(done: RunDir, options: DemoOptions) -> Report:
    from segpipe.stages.evaluate.score_table import score_table

    lines = [score_table(load_scores(done.path("scores"))), f"report   {done.root / 'report' / 'index.html'}"]
    return Report(lines, skipped=pipeline.skipped_files(done), listed_in=done.root / "corpus" / "rejected.jsonl")


def _folder(done: Sample) -> Path:
    return done.folder


SAMPLE = Command(
    "sample",
    SampleOptions,
    _sample,
    _report_sample,
    _folder,
    returns="Path",
    returned="the folder",
    examples="segpipe sample photos sample\nsegpipe sample mosaic survey\nsegpipe sample video dive --seed 3\n",
)
DEMO = Command("demo", DemoOptions, _demo, _report_demo, sections=tuple(pipeline.SECTIONS), faces=("terminal",))

"""`segpipe demo`: a small synthetic reef with exact labels, and every stage on it."""

from __future__ import annotations

from pathlib import Path

from segpipe import pipeline
from segpipe.base.files import absolute
from segpipe.base.options import Command, Face, Options, Report, argument
from segpipe.store.corpus import load_rejected
from segpipe.store.run_dir import RunDir
from segpipe.store.scores import load_scores


class DemoOptions(Options):
    """Make a small synthetic reef with exact labels and run every stage on it; no download."""

    run: Path = argument("the run directory [runs/demo]", default=Path("runs/demo"), metavar="RUN")


def _work(options: DemoOptions, face: Face) -> RunDir:
    from segpipe.commands.demo.synthetic import write_reef_corpus

    reef = options.run / "reef"
    if not (reef / "classes.txt").exists():
        write_reef_corpus(reef, images=24, seed=0)
    run_dir = pipeline.open_run(options.run)
    own = {
        "index.images": absolute(str(reef / "images")),
        "evaluate.labels": absolute(str(reef / "labels")),
        "evaluate.classes": absolute(str(reef / "classes.txt")),
    }
    settings = pipeline.resolve(run_dir, config="demo", more=own, layers=face.layers)
    pipeline.work(run_dir, settings, face.track)
    return run_dir


def _report(done: RunDir, options: DemoOptions) -> Report:
    from segpipe.stages.evaluate.score_table import score_table

    lines = [score_table(load_scores(done.path("scores"))), f"report   {done.root / 'report' / 'index.html'}"]
    skipped = load_rejected(done.path("corpus"))
    return Report(lines, skipped=skipped, listed_in=done.root / "corpus" / "rejected.jsonl")


COMMAND = Command("demo", DemoOptions, _work, _report, sections=tuple(pipeline.SECTIONS), faces=("terminal",))

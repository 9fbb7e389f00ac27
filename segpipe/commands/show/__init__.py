"""`segpipe show`: what a run has done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segpipe import pipeline
from segpipe.base.options import Command, Face, Options, Report, argument
from segpipe.base.tables import plain_table


class ShowOptions(Options):
    """Show what a run has done: each stage, whether it is up to date, how long it took, what it says."""

    run: Path = argument("the run directory", metavar="RUN")


def _work(options: ShowOptions, face: Face) -> Any:
    run_dir = pipeline.existing_run(options.run)
    manifest = run_dir.manifest()
    table = plain_table("stage", "state", "seconds", "finished", "summary")
    for step in pipeline.plan(pipeline.resolve(run_dir), run_dir):
        record = manifest.stages.get(step.stage.NAME)
        kept = step.action == "skip" and step.reason.startswith("kept")
        state = step.reason if kept else {"skip": "up to date", "idle": "no labels"}.get(step.action, step.reason)
        seconds = f"{record.seconds:.1f}" if record else ""
        finished = record.finished[:16].replace("T", " ") if record else ""
        table.add_row(step.stage.NAME, state, seconds, finished, pipeline.summary_line(record) if record else "")
    skipped = pipeline.skipped_files(run_dir)
    return table, skipped


def _report(found: Any, options: ShowOptions) -> Report:
    table, skipped = found
    return Report([table], skipped=skipped, listed_in=options.run / "corpus" / "rejected.jsonl", code=0)


COMMAND = Command("show", ShowOptions, _work, _report, faces=("terminal",))

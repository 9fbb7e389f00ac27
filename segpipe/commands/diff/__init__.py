"""`segpipe diff`: settings, scores and masks of two runs, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segpipe import pipeline
from segpipe.base.options import Command, Face, Options, Report, argument


class DiffOptions(Options):
    """Show how two runs differ: settings, scores, and how far their masks agree."""

    run_a: Path = argument("a run directory", metavar="RUN_A")
    run_b: Path = argument("another run directory", metavar="RUN_B")


def _work(options: DiffOptions, face: Face) -> Any:
    from segpipe.commands.diff.compare import compare

    a, b = pipeline.existing_run(options.run_a), pipeline.existing_run(options.run_b)
    return compare(a, b, pipeline.resolve(a), pipeline.resolve(b))


COMMAND = Command("diff", DiffOptions, _work, lambda found, options: Report([found]), faces=("terminal",))

"""`segpipe robustness`: how far the masks of a run stay the same under image corruptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segpipe import pipeline
from segpipe.base.options import Command, Face, Report
from segpipe.commands.robustness.options import RobustnessOptions
from segpipe.records.finding import Finding

if TYPE_CHECKING:
    from segpipe.commands.robustness.run import RobustnessResult

EXAMPLES = """\
segpipe robustness runs/photos
segpipe robustness runs/photos --corruptions veil,green-veil --crf
"""


def _work(options: RobustnessOptions, face: Face) -> RobustnessResult:
    from segpipe.commands.robustness.run import probe_run

    run_dir = pipeline.existing_run(options.run)
    return probe_run(run_dir, options, pipeline.make_runtime(pipeline.resolve(run_dir), face.track))


def _report(done: RobustnessResult, options: RobustnessOptions) -> Report:
    lines = [*done.summary, f"page     {done.page}"]
    return Report(lines, skipped=done.rejected, listed_in=done.page.parent / "robustness.json")


def _value(done: RobustnessResult) -> list[Finding]:
    return list(done.findings)


COMMAND = Command(
    "robustness",
    RobustnessOptions,
    _work,
    _report,
    _value,
    returns="list[Finding]",
    returned="the rows of `robustness.csv`",
    examples=EXAMPLES,
    files={
        "RUN/robustness/.segpipe": "says that the folder is an output of segpipe",
        "RUN/robustness/index.html": "a page with sentences, curves, a table and examples",
        "RUN/robustness/robustness.csv": "every number with its 95% interval over images",
        "RUN/robustness/robustness.png": "the curves",
        "RUN/robustness/robustness.json": "settings, sentences, all numbers and skipped files",
    },
)

"""`segpipe probe`: what a frozen backbone is biased to, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segpipe.base.options import Command, Face, Report
from segpipe.base.runtime import make_runtime
from segpipe.commands.probe.options import ProbeOptions
from segpipe.records.finding import Finding

if TYPE_CHECKING:
    from segpipe.commands.probe.writers import ProbeOutput

EXAMPLES = """\
segpipe probe photos/ seen/                                   a page, a table and figures of dino_vits16
segpipe probe photos/ seen/ --backbone classical              the same with no download
segpipe probe photos/ seen/ --measure center,focus            two questions alone, faster
segpipe probe photos/ seen/ --corruptions blur,veil,rotation --max-images 20
"""


def _work(options: ProbeOptions, face: Face) -> ProbeOutput:
    from segpipe.commands.probe.writers import probe_images

    return probe_images(options, make_runtime(options.device, options.workers, face.track))


def _report(done: ProbeOutput, options: ProbeOptions) -> Report:
    assert options.out is not None
    lines = [*done.sentences, f"page     {done.page}"]
    return Report(lines, skipped=done.rejected, listed_in=options.out / "rejected.jsonl")


def _value(done: ProbeOutput) -> list[Finding]:
    return list(done.findings)


COMMAND = Command(
    "probe",
    ProbeOptions,
    _work,
    _report,
    _value,
    returns="list[Finding]",
    returned="the rows of `probe.csv`",
    examples=EXAMPLES,
    files={
        "OUT/index.html": "a page with sentences, curves, a table and examples",
        "OUT/probe.csv": "every number with its 95% interval over images",
        "OUT/probe.json": "settings, images, sentences and versions",
        "OUT/plots/*": "the figures as SVG and PNG",
        "OUT/rejected.jsonl": "a skipped file a line: `path`, `reason`",
    },
)

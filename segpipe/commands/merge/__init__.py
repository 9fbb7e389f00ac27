"""`segpipe merge`: closing the stages of a run whose parts are all done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segpipe import pipeline
from segpipe.base.options import Command, Face, Options, Report, argument, option
from segpipe.pipeline.part_merge import MergedStage, merge_parts


class MergeOptions(Options):
    """Close every stage of which all parts are done, as if it had been done at once; or say which parts are missing.

    Of a stage that is done in rounds the round that is open is closed, so that the parts of the next can begin.
    """

    run: Path = argument("the run directory", metavar="RUN")
    verify: bool = option(False, "read again what every part wrote, and compare checksums")


def _work(options: MergeOptions, face: Face) -> list[MergedStage]:
    run_dir = pipeline.existing_run(options.run)
    return merge_parts(run_dir, pipeline.resolve(run_dir), face.track, verify=options.verify)


def _report(found: list[MergedStage], options: MergeOptions) -> Report:
    return Report([f"{each.stage:8} {_what(each)}: {each.said}" for each in found])


def _what(found: MergedStage) -> str:
    if found.record is not None:
        return "merged"
    return "closed" if found.closed else "as it was"


def _value(found: list[MergedStage]) -> dict[str, Any]:
    return {each.stage: dict(each.record.summary) for each in found if each.record is not None}


COMMAND = Command(
    "merge",
    MergeOptions,
    _work,
    _report,
    _value,
    returns="dict[str, Any]",
    returned="what each stage that was closed now says of itself, by stage",
    examples="segpipe merge runs/reef\n",
)

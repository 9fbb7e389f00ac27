"""`segpipe status`: how far the parts of a run are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from segpipe import pipeline
from segpipe.base.options import Command, Face, Options, Report, argument, option
from segpipe.base.parts import spans
from segpipe.base.tables import plain_table
from segpipe.pipeline.part_status import StageStatus, status_of_parts
from segpipe.store.leases import LEASE_MINUTES


class StatusOptions(Options):
    """Show how far the parts of a run are: done, running, failed, how fast, and how long it will take."""

    run: Path = argument("the run directory", metavar="RUN")
    lease_minutes: float = option(
        LEASE_MINUTES, "as of the commands that do parts: who was not heard of for so long has ended", limits={"gt": 0}
    )


def _work(options: StatusOptions, face: Face) -> tuple[StageStatus, ...]:
    run_dir = pipeline.existing_run(options.run)
    return status_of_parts(run_dir, pipeline.resolve(run_dir), lease_minutes=options.lease_minutes)


def _report(found: tuple[StageStatus, ...], options: StatusOptions) -> Report:
    table = plain_table("stage", "state", "done", "running", "failed", "parts an hour", "time left")
    for each in found:
        state = f"waits for {each.waits_for}" if each.waits_for else each.state
        state = "all done, merge" if state == "open" and each.done == each.parts else state
        rate = "" if each.rate is None else f"{each.rate:.4g}"
        left = "" if each.seconds_left is None else _duration(each.seconds_left)
        table.add_row(
            *(each.stage, state, f"{each.done}/{each.parts}"),
            *(spans(each.running, most=4), spans(each.failed, most=4), rate, left),
        )
    lines = [f"round    {each.stage} {each.round}" for each in found if each.round]
    lines += [f"failed   {each.stage} {part}: {why}" for each in found for part, why in list(each.failed.items())[:5]]
    return Report([table, *lines])


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _value(found: tuple[StageStatus, ...]) -> dict[str, Any]:
    return {each.stage: asdict(each) for each in found}


COMMAND = Command(
    "status",
    StatusOptions,
    _work,
    _report,
    _value,
    returns="dict[str, Any]",
    returned="by stage: `state`, `parts`, `done`, `running` and `failed` by part, `rate` in parts an hour, "
    "`seconds_left`, `round` of a stage that is done in rounds",
    examples="segpipe status runs/reef\n",
)

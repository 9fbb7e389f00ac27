"""`segpipe check`: whether what a run holds is as it was made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from segpipe import pipeline
from segpipe.base.errors import MachineError
from segpipe.base.options import Command, Face, Options, Report, argument, option
from segpipe.base.tables import plain_table

if TYPE_CHECKING:
    from segpipe.commands.check.examine import Checked
    from segpipe.records.fault import Fault

_SHOWN = 20


class CheckOptions(Options):
    """Check whether what a run holds is as it was made.

    Every file is read and compared with its checksum. What is damaged is listed with the command that makes it again.
    """

    run: Path = argument("the run directory", metavar="RUN")
    deep: bool = option(False, "also read every patch feature, and compare the images with those that were indexed")


def _work(options: CheckOptions, face: Face) -> Checked:
    from segpipe.commands.check.examine import examine

    return examine(pipeline.existing_run(options.run), deep=options.deep, track=face.track)


def _report(found: Checked, options: CheckOptions) -> Report:
    table = plain_table("directory", "files", "state")
    for name, files, state in found.rows:
        table.add_row(name, str(files), state)
    lines = [table, *(f"{fault.path}: {fault.why}" for fault in found.faults[:_SHOWN])]
    lines += [f"... and {len(found.faults) - _SHOWN} more"] if len(found.faults) > _SHOWN else []
    lines += [f"next: {advice}" for advice in found.advice]
    return Report(lines, code=MachineError.exit_code if found.faults else 0)


def _value(found: Checked) -> list[Fault]:
    return list(found.faults)


COMMAND = Command(
    "check",
    CheckOptions,
    _work,
    _report,
    _value,
    returns="list[Fault]",
    returned="what is not as it was made: `path`, `why`, and the `stage` that makes it again; empty where all is well",
    examples="segpipe check runs/reef\nsegpipe check runs/reef --deep\n",
)

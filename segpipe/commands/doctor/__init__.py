"""`segpipe doctor`: whether this machine has what segpipe needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segpipe.base.errors import MachineError
from segpipe.base.options import Command, Face, Options, Report, option


class DoctorOptions(Options):
    """Check whether this machine has what segpipe needs."""

    folder: Path = option(Path(), "where runs will be written", metavar="DIR")


def _work(options: DoctorOptions, face: Face) -> tuple[Any, bool]:
    from segpipe.commands.doctor.checks import examine

    return examine(options.folder)


def _report(found: tuple[Any, bool], options: DoctorOptions) -> Report:
    table, sound = found
    return Report([table], code=0 if sound else MachineError.exit_code)


COMMAND = Command("doctor", DoctorOptions, _work, _report, faces=("terminal",))

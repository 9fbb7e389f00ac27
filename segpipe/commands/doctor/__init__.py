"""`segpipe doctor`: whether this machine has what segpipe needs, and whether a backbone suits one's images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segpipe.base.errors import MachineError, UsageError, named
from segpipe.base.options import Command, Face, Report
from segpipe.base.runtime import make_runtime
from segpipe.commands.doctor.options import DoctorOptions
from segpipe.records.backbone_health import BackboneHealth

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["COMMAND", "DoctorOptions"]

EXAMPLES = """\
segpipe doctor                                             whether this machine has all that is needed
segpipe doctor photos/ --backbone dino_vits16              the health of a backbone on these images
segpipe doctor photos/ --backbone vit_small_patch14_dinov2 --weights mine.safetensors
"""

Found = tuple["Table", bool] | BackboneHealth


def _work(options: DoctorOptions, face: Face) -> Found:
    if options.backbone is not None:
        return _health(options, face)
    from segpipe.commands.doctor.checks import examine

    return examine(options.folder)


def _health(options: DoctorOptions, face: Face) -> BackboneHealth:
    if options.backbone is None:
        raise UsageError(f"{named('backbone')} is missing; give it, such as {named('backbone', 'dino_vits16')}")
    from segpipe.commands.doctor.health import backbone_health

    return backbone_health(options, make_runtime(options.device, options.workers, face.track))


def _report(found: Found, options: DoctorOptions) -> Report:
    if isinstance(found, BackboneHealth):
        from segpipe.commands.doctor.text import health_lines

        return Report(health_lines(found), skipped=found.rejected)
    table, sound = found
    return Report([table], code=0 if sound else MachineError.exit_code)


def _python(options: DoctorOptions, face: Face) -> Any:
    return _health(options, face)


COMMAND = Command(
    "doctor",
    DoctorOptions,
    _work,
    _report,
    python=_python,
    returns="BackboneHealth",
    returned="the table: `blocks` with the measures of each, and what they mean in `sentences`",
    examples=EXAMPLES,
)

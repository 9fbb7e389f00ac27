"""`segpipe attend`: what a frozen backbone attends to, in images, folders and videos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segpipe.base.options import Command, Face, Report
from segpipe.base.runtime import make_runtime
from segpipe.commands.attend.options import AttendOptions

if TYPE_CHECKING:
    from segpipe.commands.attend.run import AttendResult

EXAMPLES = """\
segpipe attend photos/ seen/                                  maps and a sheet of every image
segpipe attend photos/ seen/ --backbone classical             the same with no download
segpipe attend reef.jpg seen/ --compare dino                  five DINO networks on one sheet
segpipe attend dive.mp4 seen.webm --style overlay --threshold 0.6
segpipe attend frames/ seen.mp4 --fps 15 --map rollout
"""


def _work(options: AttendOptions, face: Face) -> AttendResult:
    from segpipe.commands.attend.run import attend

    return attend(options, make_runtime(options.device, options.workers, face.track))


def _report(done: AttendResult, options: AttendOptions) -> Report:
    if done.film:
        return Report([f"video    {options.out}  ({done.pictures} frames)"], skipped=done.rejected)
    lines = [f"sheets   {options.out / 'sheets'}  ({done.pictures} {done.unit}, {done.files} files)"]
    return Report(lines, skipped=done.rejected, listed_in=options.out / "rejected.jsonl")


def _value(done: AttendResult) -> dict[str, Any]:
    return {
        "pictures": done.pictures,
        "files": done.files,
        "rejected": {item.path: item.reason for item in done.rejected},
    }


COMMAND = Command(
    "attend",
    AttendOptions,
    _work,
    _report,
    _value,
    returns="dict[str, Any]",
    returned="`pictures`, how many were processed; `files`, how many were written; `rejected`, path to reason of "
    "what was skipped",
    examples=EXAMPLES,
)

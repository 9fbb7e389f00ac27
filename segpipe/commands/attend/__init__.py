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
    files={
        "OUT/sheets/*": "the image with all its maps, and how many times an even map each of them reaches",
        "OUT/mean/*": "attention of the mean of all heads",
        "OUT/head00/*": "attention of the first head; `head01/` and so on are the others",
        "OUT/colors/*": "all heads in one picture, each in a color",
        "OUT/rollout/*": "attention rollout from the input to the block (Abnar and Zuidema 2020)",
        "OUT/activation/*": "of networks without attention: how strongly their features respond",
        "OUT/mean_mask/*": "with `--threshold`: the strongest pixels that hold this share of a map's mass",
        "OUT/mean_contour/*": "with `--threshold`: the image with their outline (of each map)",
        "OUT/npz/*": "with `--npz`: all maps as floats, over pixels and over patches",
        "OUT/attend.json": "backbone, settings and versions",
        "OUT/rejected.jsonl": "a skipped file a line: `path`, `reason`",
    },
)

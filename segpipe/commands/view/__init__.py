"""`segpipe view`: a run in a browser, to look, name, merge and correct."""

from __future__ import annotations

from segpipe.base.options import Command, Face
from segpipe.commands.view.options import ViewOptions

EXAMPLES = """\
segpipe view runs/reef                               opens the page of the run; Ctrl-C ends it
segpipe view runs/reef --port 8765 --no-open         prints the address alone
segpipe view runs/2026 --beside runs/2025            two runs side by side
"""


def _work(options: ViewOptions, face: Face) -> None:
    from segpipe.commands.view.run import serve_run

    serve_run(options)


COMMAND = Command(
    "view",
    ViewOptions,
    _work,
    examples=EXAMPLES,
    files={
        "RUN/points.csv": "with `view`: the labelled points that were put; `name --points` and others take them",
        "RUN/view.journal.jsonl": "with `view`: what was done, for undo and redo",
    },
    faces=("terminal",),
)

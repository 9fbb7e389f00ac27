"""`segpipe backbones`: the table of backbones, and the card of one that `segpipe pretrain` made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segpipe.base.errors import UsageError
from segpipe.base.options import Command, Face, Options, Report, argument
from segpipe.base.tables import plain_table

EXAMPLES = """\
segpipe backbones                the table
segpipe backbones reef_backbone  how a backbone of `segpipe pretrain` was made
"""


class BackbonesOptions(Options):
    """List the backbones: patch size, width, licence and whether the weights are at hand.

    With OUT, a folder or file of `segpipe pretrain`, print the card of that backbone instead.
    """

    out: Path | None = argument("a folder or file of `segpipe pretrain`", default=None, metavar="OUT")


def _work(options: BackbonesOptions, face: Face) -> Any:
    if options.out is not None:
        return _card(options.out)
    from segpipe.nn.backbones import list_backbones

    table = plain_table("backbone", "patch", "width", "weights", "licence")
    for row in list_backbones():
        table.add_row(row.name, str(row.patch), str(row.width), row.weights, row.licence)
    return table


def _card(out: Path) -> Any:
    from segpipe.nn.pretrained import FILE, read_card, weights_file

    path = weights_file(out)
    if path is None:
        raise UsageError(f"{out}: there is no {FILE} of `segpipe pretrain`; name its folder or that file")
    table = plain_table("of", "what it says")
    for name, value in read_card(path).items():
        for key, text in value.items() if isinstance(value, dict) else [("", value)]:
            table.add_row(f"{name} {key}".rstrip(), str(text))
    return table


COMMAND = Command(
    "backbones",
    BackbonesOptions,
    _work,
    lambda table, options: Report([table]),
    faces=("terminal",),
    examples=EXAMPLES,
)

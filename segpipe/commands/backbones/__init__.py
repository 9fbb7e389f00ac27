"""`segpipe backbones`: the table of backbones."""

from __future__ import annotations

from typing import Any

from segpipe.base.options import Command, Face, Options, Report
from segpipe.base.tables import plain_table


class BackbonesOptions(Options):
    """List the backbones: patch size, width, licence and whether the weights are at hand."""


def _work(options: BackbonesOptions, face: Face) -> Any:
    from segpipe.nn.backbones import list_backbones

    table = plain_table("backbone", "patch", "width", "weights", "licence")
    for row in list_backbones():
        table.add_row(row.name, str(row.patch), str(row.width), row.weights, row.licence)
    return table


COMMAND = Command("backbones", BackbonesOptions, _work, lambda table, options: Report([table]), faces=("terminal",))

"""Tables for a terminal."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from segpipe.base.printable import printable


class _PlainTable(Table):
    """A table whose cells are shown as they are: brackets in a name are no markup, control characters are escaped."""

    def add_row(self, *cells: Any, **more: Any) -> None:
        """Add a row; texts are taken literally."""
        super().add_row(*(_literal(cell) if isinstance(cell, str) else cell for cell in cells), **more)


def plain_table(*headings: str) -> Table:
    """A table without lines, made for terminals of any width."""
    table = _PlainTable(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(_literal(heading), overflow="fold")
    return table


def _literal(text: str) -> str:
    return escape(printable(text))

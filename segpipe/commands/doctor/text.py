"""What the terminal says of a backbone's health."""

from __future__ import annotations

from typing import Any

from segpipe.base.tables import plain_table
from segpipe.records.backbone_health import BackboneHealth


def health_lines(found: BackboneHealth) -> list[Any]:
    """A line on what was looked at, the table, and the sentences."""
    table = plain_table("block", "first component", "first 8", "position", "outliers", "agreement")
    for row in found.blocks:
        shown = "-" if row.outliers is None else f"{row.outliers:.1%}"
        table.add_row(
            str(row.block), f"{row.first:.0%}", f"{row.first8:.0%}", f"{max(row.position, 0):.0%}", shown,
            f"{row.agreement:.2f}",
        )  # fmt: skip
    what = "drawn images" if found.drawn else "images"
    head = f"{found.backbone} ({found.weights}), {found.images} {what}, {found.patches} patches"
    return [head, table, *found.sentences]

"""A picture of a legend: the color and the name of every class."""

from __future__ import annotations

from collections.abc import Sequence

from segpipe.plots.figure import drawing, png

_ROW = 0.22
"""Inches of a class."""
_COLUMN = 24
"""Most classes under each other."""
_LONGEST = 60
"""Most letters of a name."""


def legend_png(classes: Sequence[tuple[str, tuple[float, ...]]]) -> bytes:
    """A PNG of names and colors.

    Args:
        classes: name and RGB from 0 to 1 of each, in the order in which they are shown.
    """
    from matplotlib.patches import Patch  # slow to import

    columns = max(1, -(-len(classes) // _COLUMN))
    names = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name, _ in classes]
    width = 0.6 + max((0.075 * len(name) for name in names), default=0.0)
    rows = max(1, -(-len(classes) // columns))
    with drawing(width * columns + 0.2, _ROW * rows + 0.2) as figure:
        patches = [Patch(facecolor=color, label=name) for name, (_, color) in zip(names, classes, strict=True)]
        if patches:  # an empty legend is an error to matplotlib
            figure.legend(handles=patches, labels=names, loc="center left", ncols=columns)
        return png(figure)

"""Curves of a training: loss, agreement of two views and rank of the features over its steps, as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segpipe.plots.figure import PALETTE, drawing, png

CURVES = "curves.png"
_PANELS = (
    ("loss", "loss"),
    ("knn_agreement", "nearest is the other view (share)"),
    ("rank", "effective rank of the features"),
)


def curves_png(rows: Sequence[Mapping[str, float]]) -> bytes:
    """PNG of the rows of a history, a panel for each figure that any of them has.

    Args:
        rows: with `step`, in ascending order; what a row lacks is passed over.
    """
    found = [(name, text, [row for row in rows if name in row]) for name, text in _PANELS]
    shown = [panel for panel in found if panel[2]]
    with drawing(3.4 * max(1, len(shown)), 2.6) as figure:
        for place, (name, text, known) in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), place + 1)
            steps, values = [row["step"] for row in known], [row[name] for row in known]
            axes.plot(steps, values, color=PALETTE[0], linewidth=1.6, marker="o" if len(known) < 30 else None, ms=3)
            axes.set(xlabel="step", title=text, xlim=(0, max(1, rows[-1]["step"])))
        return png(figure, dpi=150)

"""Figure of the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.plots.figure import FAINT, INK, drawing, svg
from segpipe.plots.html import Plot
from segpipe.stages.report import tables
from segpipe.stages.report.page import ClassLabel
from segpipe.stages.report.report_data import Evaluation

NUMBERS_UP_TO = 22
"""Most columns whose cells have room for a number."""
_BLUES = ("#ffffff", "#dbe7f4", "#8fb6dc", "#1f5fa8", "#0d2f57")


def confusion_plot(evaluation: Evaluation, labels: Sequence[ClassLabel]) -> Plot | None:
    """The confusion matrix, matched pairs on the diagonal; None where no pixel is labelled."""
    if not evaluation.confusion.any():
        return None
    matching = evaluation.scores.unsupervised.matching
    counts, rows, columns = tables.order_confusion(evaluation.labels, evaluation.confusion, matching)
    clusters = tables.label_clusters(matching)
    names = [evaluation.labels[i] for i in rows]
    found = [labels[k] if k < len(labels) else ClassLabel("no data", "") for k in columns]
    drawn = confusion(
        counts,
        names,
        [label.name for label in found],
        row_colors=[labels[clusters[name]].color if name in clusters else "" for name in names],
        column_colors=[label.color for label in found],
    )
    caption = (
        "Where the labelled pixels of each class (row) went (columns), in percent of the row. Matched pairs lie on the "
        "diagonal from the top left; a found class to the right of it was left without a partner, and its pixels "
        "count as errors. A dark cell off the diagonal names a confusion."
    )
    return Plot("Confusion matrix", drawn, caption, wide=True)


def confusion(
    counts: npt.NDArray[np.integer],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    row_colors: Sequence[str],
    column_colors: Sequence[str],
) -> bytes:
    """Labelled classes (rows) against found classes (columns), each cell as a share of its row.

    Args:
        counts: (rows, columns) pixels.
        rows: names of the labelled classes.
        columns: names of the found classes.
        row_colors: hexadecimal color of each row's chip, empty for none.
        column_colors: the same for the columns.

    Returns:
        SVG.
    """
    from matplotlib.colors import LinearSegmentedColormap  # slow to import: only a page being drawn pays for it

    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    n, m = counts.shape
    cell = 0.34 if m <= NUMBERS_UP_TO else 0.2
    longest_row, longest_column = (max(map(len, names), default=0) for names in (rows, columns))
    width, height = m * cell + 0.085 * longest_row + 1.4, n * cell + 0.085 * longest_column + 0.9
    blues = LinearSegmentedColormap.from_list("blues", _BLUES)
    with drawing(max(4.2, width), max(2.9, height)) as figure:
        axes = figure.subplots()
        image = axes.imshow(share, cmap=blues, vmin=0, vmax=1, interpolation="nearest", aspect="equal")
        axes.set_xticks(range(m), columns, rotation=90, fontsize=8 if cell > 0.3 else 7)
        axes.set_yticks(range(n), rows, fontsize=8 if cell > 0.3 else 7)
        axes.tick_params(length=0, pad=13, labelcolor=INK)
        axes.grid(visible=False)
        axes.set_xticks(np.arange(m + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
        axes.grid(visible=True, which="minor", color="#eef1f4", linewidth=0.6)
        axes.tick_params(which="minor", length=0)
        axes.spines[:].set_visible(False)
        for i, color in enumerate(row_colors):
            _chip(axes, color, (0, i), ("axes fraction", "data"), offset=(-3, 0), ha="right", va="center")
        for j, color in enumerate(column_colors):
            _chip(axes, color, (j, 0), ("data", "axes fraction"), offset=(0, -3), ha="center", va="top")
        axes.set(xlabel="found class", ylabel="labelled class")
        if m <= NUMBERS_UP_TO:
            for i, j in np.argwhere(share >= 0.005).tolist():
                color = "white" if share[i, j] > 0.45 else INK
                axes.text(j, i, f"{100 * share[i, j]:.0f}", ha="center", va="center", fontsize=7, color=color)
        bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 2.4 / max(n * cell, 0.1)), aspect=16, pad=0.02)
        bar.set_label("share of the labelled class", color=INK)
        bar.ax.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100%"])
        bar.outline.set_edgecolor(FAINT)
        return svg(figure)


def _chip(axes: Any, color: str, place: tuple[float, float], coords: tuple[str, str], **options: Any) -> None:
    """A small square in a class's color between the axis and its label."""
    offset = options.pop("offset")
    if color:
        options |= {"color": color, "fontsize": 9, "xycoords": coords, "xytext": offset, "textcoords": "offset points"}
        axes.annotate("\u25a0", place, annotation_clip=False, **options)

"""Merge curve: how similar the next two classes to merge are, behind the choice of the number of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segpipe.plots.figure import FAINT, PALETTE, drawing, svg
from segpipe.plots.html import Plot


def merging_plot(heights: Sequence[float], *, k: int, alike: float) -> Plot | None:
    """Similarity of the two classes that merge next, over the number of classes.

    Args:
        heights: mean cosine between the members of the classes merged last, next to last, and so on.
        k: classes of the run.
        alike: mean cosine from which `cluster.k=auto` merges.

    Returns:
        None where there is nothing to merge.
    """
    if not heights:
        return None
    classes = np.arange(len(heights)) + 2
    with drawing(4.8, 2.6) as figure:
        axes = figure.subplots()
        axes.plot(classes, heights, color=PALETTE[0], linewidth=1.6, marker="." if len(heights) < 3 else None)
        axes.axhline(alike, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        axes.axvline(k, color=PALETTE[1], linewidth=1)
        axes.annotate(
            f"this run: {k}", (k, 1), xytext=(4, -2), xycoords=("data", "axes fraction"),
            textcoords="offset points", va="top", fontsize=8, color=PALETTE[1],
        )  # fmt: skip
        axes.set(xlabel="classes", ylabel="mean cosine of the two most similar")
        drawn = svg(figure)
    caption = (
        "For each number of classes, how similar the next two to merge are: the mean cosine between a patch of one and "
        f"a patch of the other. cluster.k=auto stops merging where it falls below {alike:g} (dashed). For "
        "another number of classes: segpipe cluster RUN --cluster.k N, then segpipe refine RUN."
    )
    return Plot("How many classes", drawn, caption)

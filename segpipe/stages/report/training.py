"""Figures of the training: loss, correlations and their distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from segpipe.plots.html import Plot
from segpipe.stages.report import curves

KINDS = {"self": "within a crop", "neighbor": "crop and neighbor", "negative": "random crops"}
"""Kinds of pairs of points, as the history names them and as a reader would."""

Int64 = npt.NDArray[np.int64]


def history_plots(rows: Sequence[Mapping[str, float]]) -> list[Plot]:
    """Loss and correlations over the steps.

    Args:
        rows: each with `step`, `loss`, its parts `loss_<part>` and, for kinds of pairs, `code_<kind>`,
            `feature_<kind>`. Parts that are no kind of pair keep their own names.
    """
    if not rows:
        return []
    steps = np.array([row["step"] for row in rows])
    logged = dict.fromkeys(name for row in rows for name in row if name.startswith("loss_"))
    others = {name: name.removeprefix("loss_") for name in logged}
    loss = _columns(rows, others | {f"loss_{kind}": name for kind, name in KINDS.items()} | {"loss": "total"})
    codes = _columns(rows, {f"code_{kind}": name for kind, name in KINDS.items()})
    features = _columns(rows, {f"feature_{kind}": name for kind, name in KINDS.items()})
    about_loss = (
        "The loss and its parts (in STEGO by where the two points of a pair come from): pale lines are every logged "
        "step, strong ones a running mean. A loss that is made of correlations can be negative; training is done when "
        "it no longer falls."
    )
    about_codes = (
        "Mean cosine of two codes (solid) and of their features, as the loss compares them (dashed). Good: the codes "
        "of random crops stay well below those within a crop. All three near 1: the codes have collapsed."
    )
    plots = [Plot("Loss", curves.lines(steps, loss, xlabel="step", ylabel="loss"), about_loss)]
    if codes:
        drawn = curves.lines(steps, codes, xlabel="step", ylabel="mean cosine", references=features)
        plots.append(Plot("Code correlations", drawn, about_codes))
    return plots


def histogram_plots(
    steps: Int64, edges: npt.NDArray[np.float64], counts: Mapping[str, Int64], shifts: Mapping[str, float]
) -> list[Plot]:
    """Distributions of the correlations, one figure per kind of pair.

    Args:
        steps: (m,) when they were taken.
        edges: (bins + 1,)
        counts: `code_<kind>` and `feature_<kind>` to (m, bins).
        shifts: by kind of pair, as used; marked where they are there.
    """
    about = (
        "Blue, cosines of two codes, from the first step (pale) to the last (dark); gray, the feature correlations of "
        "the same pairs at the last step. Pairs to the right of the shift (dashed) are pulled together, those to the "
        "left are pushed apart: most pairs of the same kind of thing should lie right of it, most others left."
    )
    plots = list[Plot]()
    for kind, name in KINDS.items():
        if f"code_{kind}" in counts and len(steps):
            shift = shifts.get(kind)
            marks = {} if shift is None else {f"shift {shift:g}": float(shift)}
            features = counts.get(f"feature_{kind}")
            drawn = curves.histograms(
                steps,
                edges,
                counts[f"code_{kind}"],
                xlabel="cosine",
                ground=None if features is None else features[-1],
                marks=marks,
            )
            plots.append(
                Plot(f"Distribution of correlations: {name}", drawn, "The same for these pairs." if plots else about)
            )
    return plots


def _columns(rows: Sequence[Mapping[str, float]], names: Mapping[str, str]) -> dict[str, npt.NDArray[np.float64]]:
    """Columns that some row has, under their readers' names; NaN where a row lacks them."""
    return {
        name: np.array([row.get(key, np.nan) for row in rows], np.float64)
        for key, name in names.items()
        if any(key in row for row in rows)
    }

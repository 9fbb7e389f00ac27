"""The figures of the training."""

from __future__ import annotations

import itertools

import numpy as np

from segpipe.stages.report import training
from tests.helpers.svg import texts

EDGES = np.linspace(-1, 1, 21)


def test_training_figures_cope_with_kinds_that_are_missing() -> None:
    rows = [{"step": i, "loss": 0.1 * i, "loss_self": 0.1, "code_self": 0.2, "feature_self": 0.3} for i in range(30)]
    titles = [plot.title for plot in training.history_plots(rows)]
    assert titles == ["Loss", "Code correlations"]
    counts = {"code_self": np.ones((2, 20), int), "feature_self": np.ones((2, 20), int)}
    plots = training.histogram_plots(np.array([0, 29]), EDGES, counts, {"self": 0.08})
    assert [plot.title for plot in plots] == ["Distribution of correlations: within a crop"]
    assert "shift 0.08" in texts(plots[0].svg)
    assert training.history_plots([]) == []
    assert training.histogram_plots(np.zeros(0, int), EDGES, {}, {}) == []


def test_every_caption_says_something() -> None:
    rows = [{"step": 0, "loss": 0.1} | {f"{part}_{kind}": 0.1 for part, kind in itertools.product(
        ("loss", "code", "feature"), training.KINDS)}]  # fmt: skip
    assert all(len(plot.caption) > 40 for plot in training.history_plots(rows))

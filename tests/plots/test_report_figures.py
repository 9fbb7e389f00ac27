"""The figures of the report: valid SVG of the right things, the same bytes for the same data."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from segpipe.stages.report import confusion_matrix as matrix
from segpipe.stages.report import curves, training

EDGES = np.linspace(-1, 1, 21)


def is_svg(content: bytes) -> bool:
    return ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


def texts(content: bytes) -> list[str]:
    """Matplotlib writes every text it draws as a comment beside its outlines."""
    return [text.strip() for text in re.findall(r"<!--(.*?)-->", content.decode())]


@pytest.mark.parametrize("n", [1, 2, 3, 300])
def test_lines_draw_any_number_of_steps(n: int) -> None:
    values = {"a": np.linspace(0, 1, n), "b": np.full(n, np.nan)}
    drawn = curves.lines(np.arange(n), values, xlabel="step", ylabel="loss", references={"a": np.zeros(n)})
    assert is_svg(drawn)
    assert {"step", "loss", "a", "b"} <= set(texts(drawn))


def test_lines_draw_without_a_series() -> None:
    assert is_svg(curves.lines(np.arange(3), {}, xlabel="step", ylabel="loss"))


def test_running_mean_is_the_mean_of_the_last_values() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=50)
    values[[3, 4, 5, 20]] = np.nan
    slow = [
        np.mean(known) if len(known := [v for v in values[max(0, i - 2) : i + 1] if np.isfinite(v)]) else np.nan
        for i in range(50)
    ]
    np.testing.assert_allclose(curves.running_mean(values, 3), slow)


def test_equal_data_give_equal_bytes_and_leave_no_settings_behind() -> None:
    before = dict(mpl.rcParams)
    counts = np.random.default_rng(0).integers(0, 9, (4, 20))
    draw = [
        curves.histograms(np.arange(4), EDGES, counts, xlabel="cosine", ground=counts[0], marks={"b": 0.1})
        for _ in range(2)
    ]
    assert draw[0] == draw[1]
    assert dict(mpl.rcParams) == before


def test_histograms_name_the_first_and_the_last_step() -> None:
    steps = np.array([0, 10, 20, 30, 40, 50, 60, 70])
    drawn = curves.histograms(steps, EDGES, np.ones((8, 20), int), xlabel="cosine")
    shown = [text for text in texts(drawn) if text.startswith("step ")]
    assert len(shown) == 6
    assert (shown[0], shown[-1]) == ("step 0", "step 70")


def test_histograms_of_nothing_are_drawn() -> None:
    assert is_svg(curves.histograms(np.zeros(0, int), EDGES, np.zeros((0, 20), int), xlabel="cosine"))
    assert is_svg(curves.histograms(np.zeros(1, int), EDGES, np.zeros((1, 20), int), xlabel="cosine"))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5), (60, 61)])
def test_confusion_draws_every_name(rows: int, columns: int) -> None:
    counts = np.random.default_rng(1).integers(0, 100, (rows, columns))
    names, found = [f"row {i}" for i in range(rows)], [f"found {i}" for i in range(columns)]
    drawn = matrix.confusion(counts, names, found, row_colors=["#112233"] * rows, column_colors=[""] * columns)
    assert is_svg(drawn)
    assert {*names, *found} <= set(texts(drawn))
    assert len(drawn) < 500_000


def test_confusion_writes_percent_of_the_row() -> None:
    drawn = matrix.confusion(
        np.array([[30, 10], [0, 0]]), ["a", "b"], ["c", "d"], row_colors=["", ""], column_colors=["", ""]
    )
    assert {"75", "25"} <= set(texts(drawn))


def test_names_cannot_break_the_drawing() -> None:
    name = "<script>&\"' $\\x_1$ %s 珊瑚 --> \U0001faa8"
    drawn = matrix.confusion(np.ones((1, 1), int), [name], [name], row_colors=["#123456"], column_colors=[""])
    assert is_svg(drawn)


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

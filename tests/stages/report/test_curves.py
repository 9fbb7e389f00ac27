"""Curves and histograms of the training: valid SVG of the right things, the same bytes for the same data."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from segpipe.stages.report import curves
from tests.helpers.svg import is_svg, texts

EDGES = np.linspace(-1, 1, 21)


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

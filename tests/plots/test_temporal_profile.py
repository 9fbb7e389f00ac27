"""Temporal profiles: columns of frames side by side."""

import numpy as np
import pytest

from segpipe.plots.temporal_profile import Profile, column_of, paint, profile_plot, profile_png
from segpipe.records.legend import plain_legend
from tests.helpers.svg import texts

LEGEND = plain_legend(3)


def test_a_column_is_the_middle_one_scaled_to_a_height():
    mask = np.zeros((4, 5), np.uint8)
    mask[:, 2] = [0, 1, 2, 255]
    assert column_of(mask, 8).tolist() == [0, 0, 1, 1, 2, 2, 255, 255]
    assert column_of(mask, 2).tolist() == [1, 255]
    rgb = np.zeros((4, 6, 3), np.uint8)
    rgb[:, 3, 0] = [10, 30, 50, 70]
    assert column_of(rgb, 2)[:, 0].tolist() == [20, 60]
    assert column_of(rgb, 2).shape == (2, 3)


def test_columns_are_painted_in_the_colors_of_the_classes():
    painted = paint([np.array([0, 1], np.uint8), np.array([2, 255], np.uint8)], LEGEND)
    assert painted.shape == (2, 2, 3)
    assert painted[0].tolist() == LEGEND.colors[[0, 2]].tolist()
    assert painted[1].tolist() == [LEGEND.colors[1].tolist(), [235] * 3]


@pytest.mark.parametrize("count", [1, 2, 40])
def test_the_figure_says_when_the_frames_are_shown(count):
    columns = [(np.full(120, i % 3, np.uint8), np.full((120, 3), 5 * i, np.uint8)) for i in range(count)]
    profile = Profile(columns, [0.5 * i for i in range(count)], "seconds of the film")
    plot = profile_plot(profile, LEGEND, title="t", caption="c")
    drawn = texts(plot.svg)
    assert {"classes", "picture", "seconds of the film", "0", f"{0.5 * (count - 1):g}"} <= set(drawn)
    assert (plot.title, plot.caption, plot.wide) == ("t", "c", True)
    assert profile_png(profile, LEGEND)[:4] == b"\x89PNG"
    assert profile_plot(profile, LEGEND, title="t", caption="c").svg == plot.svg

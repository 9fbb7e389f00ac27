"""The curve behind the number of classes."""

from segpipe.stages.report.merge_curve import merging_plot
from tests.helpers.svg import is_svg, texts


def test_the_curve_marks_the_number_of_this_run() -> None:
    plot = merging_plot([0.1, 0.2, 0.4, 0.6], k=3, alike=0.15)
    assert plot is not None
    assert is_svg(plot.svg)
    assert "this run: 3" in texts(plot.svg)
    assert "where it falls below 0.15 (dashed)" in plot.caption


def test_nothing_to_merge_is_no_curve() -> None:
    assert merging_plot([], k=1, alike=0.15) is None

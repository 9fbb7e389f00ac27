"""The figure."""

from segpipe.commands.change.figures import change_plot, change_png
from tests.commands.change.test_text import comparison

COLORS = ["#ff0000", "#0000ff"]


def test_the_figure_as_png_and_for_the_page() -> None:
    rows = comparison(300).cover.rows
    assert change_png(rows, COLORS, ("2023", "2024")).startswith(b"\x89PNG")
    plot = change_plot(rows, COLORS, ("2023", "2024"))
    assert plot.svg.startswith(b"<?xml")
    assert "at 2023 (ring) and at 2024 (dot)" in plot.caption
    one = comparison(300, count=1).cover.rows
    assert change_png(one, COLORS, ("a" * 60, "b")).startswith(b"\x89PNG")  # without intervals

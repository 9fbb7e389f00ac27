"""The figure of `change`: shares at both dates, and differences with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segpipe.commands.change.cover_change import ALL, ChangeRow
from segpipe.plots.figure import FAINT, INK, RULE, drawing, png, svg
from segpipe.plots.html import Plot

_ROW = 0.27  # inches per class
_SURE = ("more", "less")
_SITES = 8  # drawn


def change_png(rows: Sequence[ChangeRow], colors: Sequence[str], names: tuple[str, str]) -> bytes:
    """The figure as PNG."""
    return _draw(rows, colors, names, png)


def change_plot(rows: Sequence[ChangeRow], colors: Sequence[str], names: tuple[str, str]) -> Plot:
    """The figure for the page."""
    caption = (
        f"Left: share of each class at {names[0]} (ring) and at {names[1]} (dot). Right: the difference in percentage "
        "points with its 95% interval; filled where it is real as far as these images tell, open where it is within "
        "noise or doubtful. The gray bar is what light could make."
    )
    return Plot("Cover at both dates", _draw(rows, colors, names, svg), caption, wide=True)


def _draw(rows: Sequence[ChangeRow], colors: Sequence[str], names: tuple[str, str], encode: Any) -> bytes:
    sites = list(dict.fromkeys(row.site for row in rows))[: 1 + _SITES]
    classes = len(colors)
    texts = [_short(row.name) for row in rows[:classes]]
    wide = 5.6 + 0.075 * max(len(text) for text in texts)
    with drawing(wide, len(sites) * (_ROW * classes + 0.75)) as figure:
        grid = figure.subplots(len(sites), 2, sharey=True, sharex="col", squeeze=False)
        for (left, right), site in zip(grid, sites, strict=True):
            own = [row for row in rows if row.site == site]
            _shares(left, own, colors)
            _differences(right, own, colors)
            left.set_title("all" if site == ALL else _short(site), fontsize=9)
            left.set_yticks(range(classes), texts)
            left.set_ylim(classes - 0.4, -0.6)
        grid[-1][0].set_xlabel("share, %")
        grid[-1][1].set_xlabel("difference, percentage points")
        grid[0][1].set_title(f"{_short(names[1])} minus {_short(names[0])}", fontsize=9)
        encoded: bytes = encode(figure)
    return encoded


def _shares(axes: Any, rows: Sequence[ChangeRow], colors: Sequence[str]) -> None:
    for place, row in enumerate(rows):
        if row.first is None or row.second is None:
            continue
        axes.plot([100 * row.first, 100 * row.second], [place, place], color=FAINT, linewidth=1.0)
        axes.plot([100 * row.first], [place], "o", color="white", markeredgecolor=INK, markersize=5)
        axes.plot([100 * row.second], [place], "o", color=colors[place], markeredgecolor=INK, markersize=6)
    axes.tick_params(axis="y", length=0)


def _differences(axes: Any, rows: Sequence[ChangeRow], colors: Sequence[str]) -> None:
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, row in enumerate(rows):
        if row.light_high > row.light_low:
            width = 100 * (row.light_high - row.light_low)
            axes.barh([place], [width], left=[100 * row.light_low], height=0.6, color=RULE)
        if row.difference is None:
            continue
        if row.low is not None and row.high is not None:
            axes.plot([100 * row.low, 100 * row.high], [place, place], color=INK, linewidth=1.3)
        fill = colors[place] if row.verdict in _SURE else "white"
        axes.plot([100 * row.difference], [place], "o", color=fill, markeredgecolor=INK, markersize=5.5)
    axes.tick_params(axis="y", length=0)


def _short(name: str, most: int = 26) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"

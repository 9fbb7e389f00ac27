"""Figures of the robustness of masks: a panel per corruption, agreement over its levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from segpipe.plots.figure import FAINT, PALETTE, drawing, png, svg
from segpipe.plots.html import Plot
from segpipe.records.finding import Finding

_ACROSS = 5
_WIDE, _HIGH = 2.1, 1.75  # inches of a panel
_UNITS = {" at 480 px long side": " at 480", "gray levels of sigma at middle gray": "gray levels"}


def family_plots(findings: Sequence[Finding]) -> list[Plot]:
    """A figure per family of corruptions, for the page."""
    plots = []
    for family, group in groupby(findings, key=lambda finding: finding.family):
        rows = list(group)
        across = max(2, len(_panels(rows)))
        plots.append(Plot(family, _draw(rows, min(across, _ACROSS), svg), "", wide=True))
    return plots


def robustness_png(findings: Sequence[Finding]) -> bytes:
    """All panels on one sheet."""
    return _draw(findings, _ACROSS, png)


def _panels(findings: Sequence[Finding]) -> Mapping[str, list[Finding]]:
    panels: dict[str, list[Finding]] = {}
    for finding in findings:
        panels.setdefault(finding.disturbance, []).append(finding)
    return panels


def _draw(findings: Sequence[Finding], across: int, encode: Any) -> bytes:
    panels = _panels(findings)
    down = -(-len(panels) // across)
    measures = list(dict.fromkeys(finding.measure for finding in findings))
    with drawing(_WIDE * across + 0.3, _HIGH * down + 0.45) as figure:
        grid = figure.subplots(down, across, sharey=True, squeeze=False)
        for axes, (name, rows) in zip(grid.flat, panels.items(), strict=False):
            _panel(axes, name, rows, measures)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_axis_off()
        for line in grid:
            line[0].set_ylabel("%")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))
        encoded: bytes = encode(figure)
    return encoded


def _panel(axes: Any, name: str, rows: Sequence[Finding], measures: Sequence[str]) -> None:
    levels = list(dict.fromkeys(row.level for row in rows))
    for i, measure in enumerate(measures):
        own = {row.level: row for row in rows if row.measure == measure}
        places = [place for place, level in enumerate(levels) if level in own and own[level].value is not None]
        values = [100 * (own[levels[place]].value or 0.0) for place in places]
        # the original is 100% by definition: the curve starts there
        axes.plot(
            [-1, *places], [100.0, *values], color=PALETTE[i], marker="o", markersize=3, linewidth=1.5, label=measure
        )
        for place in places:
            row = own[levels[place]]
            if row.low is not None and row.high is not None:
                axes.plot([place, place], [100 * row.low, 100 * row.high], color=PALETTE[i], linewidth=3.2, alpha=0.35)
    axes.set_xticks(range(-1, len(levels)), ["none", *(f"{level:g}" for level in levels)])
    axes.set_xlim(-1.25, len(levels) - 0.75)
    axes.set_ylim(-3, 104)
    axes.set_title(name, fontsize=9)
    axes.set_xlabel(_short(rows[0].unit), fontsize=7.5, color=FAINT)


def _short(unit: str) -> str:
    for long, short in _UNITS.items():
        unit = unit.replace(long, short)
    return unit

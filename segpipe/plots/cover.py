"""Cover as bars with their intervals, in the colors of the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from segpipe.plots.figure import FAINT, INK, drawing, png, svg
from segpipe.plots.html import Plot
from segpipe.records.class_names import fold
from segpipe.records.cover import Cover, Part

SITES = 11
"""Most sites drawn; tables hold all."""
_ACROSS = 4
_ROW = 0.24  # inches per class


def cover_png(cover: Cover) -> bytes:
    """The figure as PNG: all images, then each site."""
    return _draw(cover, _parts(cover), png)


def cover_plot(cover: Cover) -> Plot:
    """The figure for the report's page."""
    parts = _parts(cover)
    sites = len(parts) - 1
    left = len(cover.sites) - sites
    more = f" Shown are {sites} of {len(cover.sites)} sites; cover/cover_sites.csv holds all." if left and sites else ""
    spread = (
        f"Lines are 95% intervals by resampling {cover.unit}s ({cover.draws} times): how much the cover would change "
        f"with other {cover.unit}s of the same place. They do not include errors of the map."
    )
    marks = " Diamonds are the shares corrected by labelled pixels." if any(_corrected(cover, p) for p in parts) else ""
    if marks and sites:
        marks = marks[:-1] + ", at every site by the errors found at all sites together."
    what = {"pixels": "of the pixels", "square meters": "of the ground", "images": "as the mean of images"}[
        cover.weight
    ]
    caption = f"Share of each class {what}; in brackets the number of images. {spread}{marks}{more}"
    return Plot("Shares with their intervals", _draw(cover, parts, svg), caption, wide=sites > 0)


def _parts(cover: Cover) -> list[Part]:
    return [cover.whole, *(cover.sites[:SITES] if len(cover.sites) > 1 else [])]


def _draw(cover: Cover, parts: Sequence[Part], encode: Any) -> bytes:
    across = min(_ACROSS, len(parts))
    down = -(-len(parts) // across)
    classes = len(cover.classes)
    names = [_short(name) for name in cover.classes]
    longest = max(len(name) for name in names)
    width = 0.075 * longest + (4.0 if len(parts) == 1 else 2.4 * across)
    with drawing(width, down * (_ROW * classes + 0.75)) as figure:
        grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for axes, part in zip(grid.flat, parts, strict=False):
            _panel(axes, part, cover.colors, _corrected(cover, part))
        for axes in list(grid.flat)[len(parts) :]:
            axes.set_axis_off()
        first = grid[0, 0]
        first.set_yticks(range(classes), names)
        first.set_ylim(classes - 0.4, -0.6)
        ends = [row.high or row.share or 0.0 for part in parts for row in part.shares]
        ends += [end for part in parts for mark in _corrected(cover, part).values() for end in mark if end is not None]
        first.set_xlim(0, min(1.0, 1.04 * max([*ends, 0.01])) * 100)
        for place in range(max(0, len(parts) - across), len(parts)):  # those with nothing below them
            axes = grid.flat[place]
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("share, %")
        encoded: bytes = encode(figure)
    return encoded


_Mark = tuple[float, float | None, float | None]
"""A corrected share and its interval."""


def _corrected(cover: Cover, part: Part) -> dict[int, _Mark]:
    """By class those shares that labels of its name correct."""
    if cover.correction is None:
        return {}
    places = {fold(name): k for k, name in enumerate(cover.classes)}
    site = next((site for site in cover.correction.sites if site.name == part.name), None)
    rows = cover.correction.labels if part is cover.whole else site.labels if site else []
    return {
        places[fold(row.label)]: (row.share, row.low, row.high)
        for row in rows
        if row.share is not None and fold(row.label) in places
    }


def _panel(axes: Any, part: Part, colors: Sequence[str], corrected: Mapping[int, _Mark]) -> None:
    up, down = (0.16, 0.2) if corrected else (0.0, 0.0)  # two lines on a bar
    places = range(len(part.shares))
    axes.barh(places, [100 * (row.share or 0.0) for row in part.shares], color=colors, height=0.72)
    for place, row in zip(places, part.shares, strict=True):
        if row.low is not None and row.high is not None:
            _line(axes, row.low, row.high, place - up)
    for place, (share, low, high) in corrected.items():
        if low is not None and high is not None:
            _line(axes, low, high, place + down)
        axes.plot([100 * share], [place + down], "D", markersize=3.6, color="white", markeredgecolor=INK)
    title = "all images" if part.name == "all" else _short(part.name)
    axes.set_title(f"{title} ({part.images})", fontsize=9)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    if part.images == 1:
        axes.text(0.98, 0.03, "one image: no interval", transform=axes.transAxes, ha="right", fontsize=7, color=FAINT)


def _line(axes: Any, low: float, high: float, place: float) -> None:
    axes.plot([100 * low, 100 * high], [place, place], color=INK, linewidth=1.1, solid_capstyle="butt")
    for end in (low, high):
        axes.plot([100 * end] * 2, [place - 0.13, place + 0.13], color=INK, linewidth=1.1)


def _short(name: str, most: int = 28) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"

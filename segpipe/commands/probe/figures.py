"""Figures of a probe of images: curves with their 95% intervals, and the mean map by place in the frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.commands.probe.names import (
    ALL_ROLLS,
    ANOTHER,
    BESIDE,
    CENTER,
    CENTER_INNER,
    CORNERS,
    CROP,
    DRAWN,
    HALF_BLUR,
    OVERLAP,
    PATCH,
    PICTURE,
    ROLL,
    SHARP,
    FindingTable,
)
from segpipe.plots.figure import FAINT, INK, PALETTE, drawing, png, svg
from segpipe.records.finding import Finding

Encoded = dict[str, bytes]
"""A figure by the ending of its file."""

_ACROSS = 4
_OCTAVES = 3  # colors reach from an eighth of a uniform map to eight times as much
_LEAST = 1e-3  # stands for 0, which a logarithmic axis does not have
_SHOWN = ((OVERLAP, "map"), (PATCH, "patches"), (PICTURE, "image"))


def center_figure(found: FindingTable, by_place: npt.NDArray[np.float64]) -> Encoded:
    """The mean map by place in the frame, and the share of the central quarter."""
    rows = [
        (found.get(ROLL, CENTER, 0), "as they are"),
        (found.get(ROLL, CENTER, 0.25), "rolled by a quarter"),
        (found.get(ROLL, CENTER, 0.5), "rolled by half"),
        (next(iter(found.levels(ALL_ROLLS, CENTER)), None), "all 16 rolls"),
        (next(iter(found.levels(ALL_ROLLS, CENTER_INNER)), None), "all, without seams"),
        (next(iter(found.levels(ALL_ROLLS, CORNERS)), None), "the corners, all rolls"),
    ]

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
        side, times = len(by_place), np.log2(np.maximum(by_place, 2.0**-_OCTAVES))
        reach = int(np.clip(np.ceil(np.abs(times).max()), 1, _OCTAVES))
        shown = left.imshow(times, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
        edges = (side / 4 - 0.5, 3 * side / 4 - 0.5)
        left.plot(*_box(*edges), color=INK, linewidth=0.9, linestyle="--")
        left.set_title("by place in the frame", fontsize=9)
        left.grid(visible=False)
        left.set_xticks([])
        left.set_yticks([])
        bar = figure.colorbar(shown, ax=left, shrink=0.8, label="times a uniform map")
        bar.set_ticks(range(-reach, reach + 1), labels=[f"{2.0**at:.2g}" for at in range(-reach, reach + 1)])
        right.axvline(25, color=FAINT, linestyle="--", linewidth=0.9)
        kept = [(finding, name) for finding, name in rows if finding is not None]
        for place, (finding, _) in enumerate(kept):
            _bar(right, finding, place, scale=100)
        right.set_yticks(range(len(kept)), [name for _, name in kept])
        right.set_ylim(len(kept) - 0.5, -0.5)
        right.set_xlabel("share of a quarter of the area, % (25: no bias)")
        right.grid(axis="y", visible=False)

    return _encoded(draw, 8.0, 2.9)


def focus_figure(found: FindingTable) -> Encoded:
    """The share of the sharp half over the blur of the other."""
    levels = found.levels(HALF_BLUR, SHARP)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.axhline(50, color=FAINT, linestyle="--", linewidth=0.9)
        _curve(axes, levels, [each.level for each in levels], PALETTE[0], scale=100)
        axes.set_xscale("log", base=2)
        axes.set_xticks([each.level for each in levels], [f"{each.level:g}" for each in levels])
        axes.set_xlabel(levels[0].unit)
        axes.set_ylabel("share of the sharp half, %")

    return _encoded(draw, 4.6, 2.9)


def artefact_figure(found: FindingTable) -> Encoded:
    """How much artefacts in a strip attract, and how the rest of the map changes."""
    names = [name for name in found.disturbances(DRAWN) if name.endswith("-strip")]
    crop = found.strongest(CROP, BESIDE)

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        for axes, measure, none in ((left, DRAWN, 1.0), (right, BESIDE, None)):
            for i, name in enumerate(names):
                levels = found.levels(name, measure)
                steps = np.arange(len(levels)) + (i - (len(names) - 1) / 2) * 0.06
                label = name.removesuffix("-strip") if axes is left else None
                _curve(axes, levels, steps, PALETTE[i % len(PALETTE)], label=label)
            most = max((len(found.levels(name, measure)) for name in names), default=1)
            axes.set_xticks(range(most), ["weakest", *[""] * (most - 2), "strongest"][:most])
            if none is not None:
                axes.axhline(none, color=FAINT, linestyle="--", linewidth=0.9)
        if crop is not None and crop.value is not None:
            right.axhline(crop.value, color=FAINT, linestyle="--", linewidth=0.9)
            right.text(0, crop.value, "strip cropped away", va="bottom", ha="left", fontsize=7.5, color=FAINT)
        left.set_yscale("log", base=2)
        left.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        left.set_title("on the artefact, times the share before", fontsize=9)
        right.set_title("rest of the map that stays in place", fontsize=9)
        figure.legend(loc="outside lower center", ncols=max(1, len(names)))

    return _encoded(draw, 8.0, 3.3)


def agreement_figure(found: FindingTable) -> Encoded:
    """For every corruption, over its strength: how much of map, patches' features and the image's vector stays."""
    names = [name for name in found.disturbances(PICTURE) if name != ANOTHER]
    across = min(_ACROSS, len(names))
    down = -(-len(names) // across)

    def draw(figure: Any) -> None:
        grid = figure.subplots(down, across, sharey=True, squeeze=False)
        for axes in list(grid.flat)[len(names) :]:
            axes.set_axis_off()
        for axes, name in zip(grid.flat, names, strict=False):
            for (measure, label), color in zip(_SHOWN, PALETTE, strict=False):
                levels = found.levels(name, measure)
                places = [_places(found, name).index(each.level) for each in levels]
                _curve(axes, levels, places, color, label=label if axes is grid.flat[0] else None)
                chance = found.strongest(ANOTHER, measure)
                if chance is not None and chance.value is not None:
                    axes.axhline(chance.value, color=color, linestyle=":", linewidth=0.9)
            steps = _places(found, name)
            axes.set_xticks(range(len(steps)), [f"{step:g}" for step in steps])
            axes.set_xlim(-0.3, max(len(steps) - 0.7, 0.3))
            axes.set_title(name, fontsize=9)
            axes.set_xlabel(_unit(found, name), fontsize=7)
        grid[0, 0].set_ylim(min(0.0, grid[0, 0].get_ylim()[0]), 1.04)
        figure.legend(loc="outside upper center", ncols=len(_SHOWN))

    return _encoded(draw, 2.3 * across + 0.3, 1.75 * down + 0.4)


def _places(found: FindingTable, name: str) -> list[float]:
    return [each.level for each in found.levels(name, PICTURE)]


def _unit(found: FindingTable, name: str) -> str:
    unit = found.levels(name, PICTURE)[0].unit
    return unit.replace(" at 480 px long side", " at 480 px")


def _box(low: float, high: float) -> tuple[list[float], list[float]]:
    return [low, high, high, low, low], [low, low, high, high, low]


def _curve(
    axes: Any, levels: Sequence[Finding], places: Any, color: str, *, scale: float = 1, label: str | None = None
) -> None:
    values = [scale * (each.value or _LEAST) for each in levels]
    axes.plot(places, values, color=color, marker="o", markersize=3, linewidth=1.2, label=label)
    for place, each in zip(places, levels, strict=True):
        if each.low is not None and each.high is not None:
            ends = [scale * (end or _LEAST) for end in (each.low, each.high)]
            axes.plot([place] * 2, ends, color=color, linewidth=2.6, alpha=0.35)


def _bar(axes: Any, finding: Finding, place: float, *, scale: float) -> None:
    axes.plot(scale * (finding.value or 0), place, marker="o", markersize=4, color=PALETTE[0])
    if finding.low is not None and finding.high is not None:
        ends = [scale * finding.low, scale * finding.high]
        axes.plot(ends, [place] * 2, color=PALETTE[0], linewidth=3, alpha=0.35, solid_capstyle="butt")


def _encoded(draw: Callable[[Any], None], width: float, height: float) -> Encoded:
    with drawing(width, height) as figure:
        draw(figure)
        return {"svg": svg(figure), "png": png(figure)}

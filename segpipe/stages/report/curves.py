"""Training: values over steps, and how distributions move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.plots.figure import FAINT, PALETTE, RULE, drawing, svg

Float = npt.NDArray[np.floating]
Number = npt.NDArray[np.floating] | npt.NDArray[np.integer]


def lines(
    steps: Number,
    series: Mapping[str, Float],
    *,
    xlabel: str,
    ylabel: str,
    references: Mapping[str, Float] | None = None,
) -> bytes:
    """Several values over the same steps, with their running means where there are enough of them.

    Args:
        steps: (n,) in ascending order.
        series: name to (n,) values; NaN and infinite ones leave a gap.
        xlabel: what a step is.
        ylabel: what the values are.
        references: name of a series to (n,) values to hold against it, dashed in the same color.

    Returns:
        SVG.
    """
    window = max(1, len(steps) // 40)
    marker = "o" if len(steps) < 3 else None
    with drawing(4.8, 2.8) as figure:
        axes = figure.subplots()
        for i, (name, raw) in enumerate(series.items()):
            color = PALETTE[i % len(PALETTE)]
            values = np.where(np.isfinite(raw), raw, np.nan)
            if window > 1:
                axes.plot(steps, values, color=color, linewidth=0.6, alpha=0.3)
            axes.plot(steps, running_mean(values, window), color=color, linewidth=1.6, label=name, marker=marker)
            if name in (references or {}):
                held = running_mean(np.asarray((references or {})[name]), window)
                axes.plot(steps, held, color=color, linewidth=1.1, linestyle=(0, (4, 2)), marker=marker)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        if series:
            figure.legend(loc="outside upper left", ncols=2 if len(series) > 3 else len(series))
        return svg(figure)


def running_mean(values: Float, window: int) -> Float:
    """The mean of the last `window` values at each place, (n,); NaN and infinite ones are left out."""
    known = np.isfinite(values)
    total = np.cumsum(np.where(known, values, 0.0))
    count = np.cumsum(known)
    total[window:] -= total[:-window].copy()
    count[window:] -= count[:-window].copy()
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def histograms(
    steps: Number,
    edges: Float,
    counts: Number,
    *,
    xlabel: str,
    ground: Number | None = None,
    marks: Mapping[str, float] | None = None,
) -> bytes:
    """How a distribution moves during training: one outline for up to six steps, light first, dark last.

    Args:
        steps: (n,) when each histogram was taken.
        edges: (bins + 1,) of the bins.
        counts: (n, bins) of any totals.
        xlabel: what is counted.
        ground: (bins,) another distribution, filled in gray behind.
        marks: name to value of vertical lines.

    Returns:
        SVG.
    """
    shown = np.unique(np.linspace(0, len(steps) - 1, min(6, len(steps))).round().astype(int)).tolist()
    with drawing(4.8, 2.4) as figure:
        axes = figure.subplots()
        if ground is not None:
            axes.stairs(_density(ground, edges), edges, fill=True, color=RULE, label="features")
        for place, i in enumerate(shown):
            depth = 0.25 + 0.75 * (place + 1) / len(shown)
            name = f"step {steps[i]}"
            axes.stairs(_density(counts[i], edges), edges, color=PALETTE[0], alpha=depth, linewidth=1.4, label=name)
        for name, value in (marks or {}).items():
            axes.axvline(value, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
            anchor: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            axes.annotate(name, (value, 1), xytext=(3, -2), va="top", fontsize=8, color=FAINT, **anchor)
        axes.set(xlabel=xlabel, ylabel="density", xlim=(edges[0], edges[-1]))
        axes.set_ylim(0, _height([_density(counts[i], edges) for i in shown]))
        axes.set_yticks([])
        if shown or ground is not None:
            figure.legend(loc="outside right upper", fontsize=8)
        return svg(figure)


def _density(counts: Number, edges: Float) -> Float:
    return np.asarray(counts / max(float(counts.sum()), 1e-12) / np.diff(edges))


def _height(densities: list[Float]) -> float:
    """Room for all but the sharpest spikes: a clamp can put half of all values into one bin."""
    peaks = sorted(float(density.max()) for density in densities)
    inner = max((float(np.sort(density)[-3]) for density in densities if len(density) > 2), default=0.0)
    return max(1.08 * min(peaks[-1], 2.5 * inner), 1e-3) if peaks else 1.0

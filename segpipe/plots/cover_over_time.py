"""Cover of films over time: stacked shares in the colors of the classes, and beside them the whole film's intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.plots.figure import FAINT, INK, drawing, png, svg
from segpipe.plots.html import Plot
from segpipe.records.cover import Cover
from segpipe.records.film_cover import FilmCover, Span

FILMS = 6
"""Most films drawn; time.csv holds all."""
_SPANS = 300  # drawn of a film, at most; more are averaged
_ROW = 0.19  # inches per class
_LONGEST = 24  # letters of a name

Float64 = npt.NDArray[np.float64]


def time_png(cover: Cover) -> bytes:
    """The figure as PNG; the cover has at least one film."""
    return _draw(cover, png)


def time_plot(cover: Cover) -> Plot | None:
    """The figure for the report's page; None where there is no film."""
    if not cover.films:
        return None
    more = f" Shown are {FILMS} of {len(cover.films)} films; cover/time.csv holds all." if cover.films[FILMS:] else ""
    caption = (
        "Left the share of each class over the time of the film, from the frames that were taken; right the whole "
        f"film, every frame for as long as it is shown, with 95% intervals by resampling scenes ({cover.draws} times), "
        f"where there are several. They do not include errors of the map.{more}"
    )
    return Plot("Over time", _draw(cover, svg), caption, wide=True)


def stacked(film: FilmCover) -> tuple[Float64, Float64]:
    """Edges (n, 2) of spans in seconds and shares (n, classes), 0 where nothing has a class; n is at most 300.

    A span ends where the next begins, so that times without a frame show the frame before.
    """
    starts = np.array([span.second for span in film.spans])
    ends = np.append(starts[1:], max(film.seconds, starts[-1] + 1e-3))
    shares = np.array([_known(span) for span in film.spans])
    if len(starts) <= _SPANS:
        return np.stack([starts, ends], axis=1), shares
    cuts = np.linspace(0, len(starts), _SPANS + 1).round().astype(int)
    weights = (ends - starts)[:, None]
    sums = np.add.reduceat(weights * shares, cuts[:-1]) / np.add.reduceat(weights, cuts[:-1])
    return np.stack([starts[cuts[:-1]], ends[cuts[1:] - 1]], axis=1), sums


def _known(span: Span) -> list[float]:
    return [share or 0.0 for share in span.shares]


def _draw(cover: Cover, encode: Any) -> bytes:
    films = cover.films[:FILMS]
    height = max(1.3, _ROW * len(cover.classes)) + 0.75
    with drawing(9.0, height * len(films)) as figure:
        grid = figure.subplots(len(films), 2, squeeze=False, width_ratios=(3, 1))
        for (left, right), film in zip(grid, films, strict=True):
            _time(left, film, cover.colors)
            _whole(right, film, cover.classes, cover.colors)
        grid[-1, 0].set_xlabel("seconds of the film")
        grid[-1, 1].set_xlabel("share of the film, %")
        encoded: bytes = encode(figure)
    return encoded


def _time(axes: Any, film: FilmCover, colors: Sequence[str]) -> None:
    edges, shares = stacked(film)
    axes.stackplot(edges.ravel(), 100 * shares.repeat(2, axis=0).T, colors=list(colors), linewidth=0)
    axes.set(xlim=(edges[0, 0], edges[-1, 1]), ylim=(0, 100), ylabel="share, %")
    axes.set_title(f"{_short(film.film, 60)} ({film.whole.frames} frames, {film.whole.scenes} scenes)", fontsize=9)
    axes.grid(visible=False)


def _whole(axes: Any, film: FilmCover, names: Sequence[str], colors: Sequence[str]) -> None:
    whole, places = film.whole, range(len(names))
    axes.barh(places, [100 * share for share in _known(whole)], color=list(colors), height=0.72)
    for place, low, high in zip(places, whole.low, whole.high, strict=False):
        if low is not None and high is not None:
            axes.plot([100 * low, 100 * high], [place, place], color=INK, linewidth=1.1, marker="|", markersize=4)
    axes.set_yticks(places, [_short(name, _LONGEST) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    if not whole.low:
        axes.text(0.98, 0.03, film.note, transform=axes.transAxes, ha="right", fontsize=7, color=FAINT)


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"

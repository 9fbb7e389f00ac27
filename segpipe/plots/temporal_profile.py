"""Temporal profile: the middle column of every frame, side by side over time, as classes and as picture.

Where the picture is smooth from left to right and the classes are not, they flicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.plots.figure import drawing, png, svg
from segpipe.plots.html import Plot
from segpipe.records.legend import Legend, Mask

Rgb = npt.NDArray[np.uint8]
HEIGHT = 120
"""Pixels that a column is drawn with."""
_NO_CLASS = 235  # gray
_TICKS = 7


def column_of(picture: npt.NDArray[Any], height: int = HEIGHT) -> npt.NDArray[Any]:
    """The middle column of a picture (H, W) or (H, W, 3), scaled to (height,) or (height, 3).

    Of a class map each value is that of the pixel in its place; a photograph is averaged.
    """
    middle = np.ascontiguousarray(picture[:, picture.shape[1] // 2][:, None])
    if picture.ndim == 3:
        return np.asarray(cv2.resize(middle, (1, height), interpolation=cv2.INTER_AREA)).reshape(height, 3)
    rows = ((np.arange(height) + 0.5) * len(middle) / height).astype(np.int64)
    return np.asarray(middle[rows, 0])


@dataclass(frozen=True, slots=True)
class Profile:
    """What a profile is drawn of."""

    columns: Sequence[tuple[Mask, Rgb]]
    """Of each frame the classes (h,) and the colors (h, 3) of its middle column."""
    times: Sequence[float]
    """Of each frame: when it is shown, or its number."""
    unit: str
    """What times are."""


def profile_plot(profile: Profile, legend: Legend, *, title: str, caption: str) -> Plot:
    """The figure for a page, in the colors of the classes."""
    return Plot(title, _draw(profile, legend, svg), caption, wide=True)


def profile_png(profile: Profile, legend: Legend) -> bytes:
    """The figure as PNG, in the colors of the classes."""
    return _draw(profile, legend, png)


def paint(columns: Sequence[Mask], legend: Legend) -> Rgb:
    """Columns of classes (h,), side by side, in the classes' colors: (h, n, 3)."""
    colors = np.full((legend.nodata + 1, 3), _NO_CLASS, np.uint8)
    colors[: legend.classes] = legend.colors
    return np.asarray(colors[np.stack(columns, axis=1)])


def _draw(profile: Profile, legend: Legend, encode: Any) -> bytes:
    strips = [paint([classes for classes, _ in profile.columns], legend)]
    strips.append(np.stack([rgb for _, rgb in profile.columns], axis=1))
    count = len(profile.columns)
    with drawing(9.0, 3.4) as figure:
        rows = figure.subplots(2, 1, sharex=True)
        for axes, strip, name in zip(rows, strips, ("classes", "picture"), strict=True):
            axes.imshow(strip, aspect="auto", interpolation="nearest", extent=(-0.5, count - 0.5, HEIGHT, 0))
            axes.set_ylabel(name)
            axes.set_yticks([])
            axes.grid(visible=False)
        places = np.unique(np.linspace(0, count - 1, min(_TICKS, count)).round().astype(int)).tolist()
        rows[-1].set_xticks(places, [f"{round(profile.times[i], 1):g}" for i in places])
        rows[-1].set_xlabel(profile.unit)
        encoded: bytes = encode(figure)
    return encoded

"""Photographs beside their class maps, as a matplotlib figure or as small pictures of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.images.corpus_reader import read_reduced
from segpipe.plots.figure import FAINT, drawing, png
from segpipe.plots.html import percent
from segpipe.plots.overlay import overlay
from segpipe.records.legend import Legend
from segpipe.results.arrays import mask_entry
from segpipe.results.reader import RunReader
from segpipe.store import masks

_WIDTH = 4.2  # inches of a picture, and of the height of an upright one
_LISTED = 30  # classes in the legend

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class MapView:
    """An image and its class map, scaled down alike."""

    name: str
    photo: Rgb
    """(h, w, 3)"""
    painted: Rgb
    """(h, w, 3) the classes over the photograph."""
    pixels: Counter[int]
    """Of each class, at full size."""


def view_map(reader: RunReader, index: int, legend: Legend, *, side: int, opacity: float = 0.55) -> MapView:
    """An image at most `side` pixels long, and its class map over it.

    Raises:
        CorpusError: the image file is gone or has changed since it was indexed.
        UsageError: its mask is missing or damaged.
    """
    corpus = reader.corpus
    image, entry, folder = corpus.images[index], mask_entry(reader, index), reader.folder("refine")
    size = image.size.fit(side)
    with reader.reading("refine", folder / entry["file"]):
        mask = legend.read(masks.read_reduced(folder, entry, size))
        counts = masks.by_class([entry], legend)[0]["pixels"]
    photo = read_reduced(corpus, image, size)
    painted = overlay(photo, mask, legend.colors, opacity=opacity)
    return MapView(image.id, photo, painted, Counter({int(k): count for k, count in counts.items()}))


def draw_maps(views: Sequence[MapView], legend: Legend) -> Any:
    """A matplotlib Figure: a row per image, photograph and class map, and a legend of the classes they hold.

    It belongs to no pyplot state. A notebook shows it although nobody imported pyplot.
    """
    heights = [_WIDTH * min(1.0, view.photo.shape[0] / view.photo.shape[1]) for view in views]
    present = sum((view.pixels for view in views), Counter[int]())
    total = max(1, present.total())
    listed = [k for k, _ in present.most_common(_LISTED)]
    labels = [f"{legend.names[k]}  {percent(present[k] / total)}" for k in listed]
    if len(present) > _LISTED:
        labels.append(f"and {len(present) - _LISTED} more")
    aside = 0.6 + 0.075 * max((len(label) for label in labels), default=0)
    tall = max(sum(heights) + 0.35 * len(heights), 0.19 * len(labels) + 0.3)
    with drawing(2 * _WIDTH + aside, tall) as figure:
        rows = figure.subplots(len(views), 2, squeeze=False, gridspec_kw={"height_ratios": heights})
        for axes, view in zip(rows, views, strict=True):
            for place, picture, side in zip(axes, (view.photo, view.painted), "EW", strict=True):
                place.imshow(picture)
                place.set_anchor(side)  # an upright pair stands together
                place.set_axis_off()
            axes[0].set_title(view.name)
        figure.legend(handles=_handles(listed, labels, legend), loc="outside right upper", handlelength=1.2)
        figure._repr_png_ = partial(png, figure, dpi=100)  # in a notebook
    return figure


def _handles(listed: Sequence[int], labels: Sequence[str], legend: Legend) -> list[Any]:
    from matplotlib.patches import Patch

    colors = [*(legend.colors[k] / 255 for k in listed), *("none" for _ in labels[len(listed) :])]
    edges = [*(FAINT for _ in listed), *("none" for _ in labels[len(listed) :])]
    return [
        Patch(facecolor=color, edgecolor=edge, linewidth=0.5, label=label)
        for color, edge, label in zip(colors, edges, labels, strict=True)
    ]

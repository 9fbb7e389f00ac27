"""Black and white collars: what is left around a mosaic where its file does not say which pixels hold no image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

LEAST = 256
"""Pixels that hang together; fewer at a border are taken for image."""

Bools = npt.NDArray[np.bool_]


class Collar:
    """Finds the connected areas of marked pixels that reach a raster's border, slab by slab.

    Only areas that reach the edge of a slab are remembered, so that memory grows with the raster's width and not with
    what lies inside. Neighbors share a side (4-connectivity).
    """

    def __init__(self) -> None:
        self._parent = np.zeros(0, np.int32)
        self._pixels: list[int] = []
        self._outside: list[bool] = []
        self._names: list[npt.NDArray[np.int64]] = []
        """For each slab the areas, by their label there; -1 where one touches no edge of the slab."""
        self._last: npt.NDArray[np.int64] | None = None

    def add(self, marked: Bools) -> None:
        """Take the next slab (rows, W) from the top."""
        from segpipe.base.components import join, more_labels  # brings a compiler: only mosaics pay for it

        labels, count = _label(marked)
        edges = [labels[0], labels[-1], labels[:, 0], labels[:, -1]]
        touching = np.unique(np.concatenate(edges))
        touching = touching[touching > 0]
        names = np.full(count, -1, np.int64)
        names[touching] = np.arange(len(touching)) + len(self._parent)
        self._parent = more_labels(self._parent, len(self._parent) + len(touching))
        self._pixels += np.bincount(labels.ravel(), minlength=count)[touching].tolist()
        sides = edges[2:] if self._names else [labels[0], *edges[2:]]
        reached = np.zeros(count, bool)
        reached[np.concatenate(sides)] = True
        self._outside += reached[touching].tolist()
        first = names[labels[0]]
        if self._last is not None:
            both = (first >= 0) & (self._last >= 0)
            join(self._parent, self._last[both], first[both])
        self._names.append(names)
        self._last = names[labels[-1]]

    def finish(self) -> bool:
        """Say that the last slab was given; whether there is a collar at all."""
        from segpipe.base.components import number_components

        assert self._last is not None
        for name in np.unique(self._last[self._last >= 0]).tolist():
            self._outside[name] = True
        areas = np.empty_like(self._parent)
        count = number_components(self._parent, areas)
        pixels, outside = np.zeros(count, np.int64), np.zeros(count, bool)
        np.add.at(pixels, areas, np.array(self._pixels, np.int64))
        np.logical_or.at(outside, areas, np.array(self._outside, bool))
        kept = (outside & (pixels >= LEAST))[areas]
        table = np.append(kept, False)  # the last one is for areas without a name
        self._collars = [table[names] for names in self._names]
        return bool(kept.any())

    def of(self, slab: int, marked: Bools) -> Bools:
        """The pixels (rows, W) of the collar in a slab, given again."""
        table = self._collars[slab]
        return np.asarray(table[_label(marked)[0]]) if table.any() else np.zeros(marked.shape, bool)


def collar_of(values: npt.NDArray[Any]) -> Bools | None:
    """The collar (H, W) of a whole raster (H, W, bands); None where it has none."""
    found = None
    for marked in fills(values):
        collar = Collar()
        collar.add(marked)
        if collar.finish():
            own = collar.of(0, marked)
            found = own if found is None else found | own
    return found


def _label(marked: Bools) -> tuple[npt.NDArray[np.int32], int]:
    """Areas numbered from 1, 0 where nothing is marked, and the number of labels."""
    count, labels = cv2.connectedComponents(marked.astype(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    return np.asarray(labels, np.int32), count


def fills(values: npt.NDArray[Any]) -> list[Bools]:
    """Where all bands of values (rows, W, bands) are black, and where all are white (integers alone have a white)."""
    found = [(values == 0).all(axis=-1)]
    if values.dtype.kind == "u":
        found.append((values == np.iinfo(values.dtype).max).all(axis=-1))
    return found

"""Labelled pixels of a run, counted by label and by the cluster that the masks give them.

Only what judges finished masks, or is told to put a person's names on them, imports this; nothing that makes masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, mask_tiles
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.labels.ground_truth import LabelReader, Truth, read_truth
from segpipe.labels.point_labels import Points
from segpipe.ops.metrics import confusion as metrics
from segpipe.records.corpus import Corpus, Image
from segpipe.records.palette import nodata
from segpipe.records.point_rules import PointRules
from segpipe.records.scores import Confusion, confusion_of, join
from segpipe.store.masks import load_index, read_part

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """What the labels say of the masks."""

    classes: tuple[str, ...]
    """Names of the labels."""
    images: tuple[int, ...]
    """Index of each labelled image in the corpus."""
    counts: Confusion
    """Labelled pixels of these images, in this order, by label and cluster."""
    unmatched: tuple[str, ...]
    """Labels that belong to no image."""
    points: bool
    """Whether single pixels are labelled, not whole images."""
    truth: Truth
    """The labels themselves."""


def count_labelled(
    labels: Path,
    classes: Path | None,
    corpus: Corpus,
    directory: Path,
    *,
    clusters: int,
    runtime: Runtime,
    rules: PointRules | None = None,
) -> Labelled:
    """Read labels and count them against the masks.

    Args:
        labels: a folder of label maps, or a CSV of points.
        classes: a file of class names, or None.
        corpus: the images.
        directory: `masks/`.
        clusters: how many the masks have.
        runtime: workers and progress.
        rules: how points are read.

    Raises:
        UsageError: a label is wrong, or a mask has another size than its image.
        CorpusError: no label belongs to an image.
    """
    truth = read_truth(labels, classes, corpus, runtime, rules)

    entries = load_index(directory)

    def count(index: int) -> Confusion:
        image, entry = corpus.images[index], entries[index]
        source = LabelSource(image, truth.sources[index], truth.reader, entry.get("tile"))
        maps = [(partial(read_part, directory, entry), clusters)]
        return count_image(source, maps, classes=len(truth.classes))[0]

    images = tuple(sorted(truth.sources))
    counted = thread_map(count, images, workers=runtime.workers, ahead=runtime.workers)
    counts = list(runtime.track(counted, total=len(images), unit="labelled images"))
    points = any(isinstance(source, Points) for source in truth.sources.values())
    return Labelled(truth.classes, images, join(counts), tuple(truth.unmatched), points, truth)


@dataclass(frozen=True, slots=True)
class PointOnMap:
    """A labelled point, and what the mask says there."""

    image: int
    """Index in the corpus."""
    row: int
    column: int
    label: int
    cluster: int
    """-1 where the mask has none."""


def points_on_map(
    truth: Truth, corpus: Corpus, directory: Path, *, clusters: int, workers: int
) -> Iterator[PointOnMap]:
    """Every labelled point with the cluster of its pixel, in the order of the corpus; nothing for label maps.

    Raises:
        UsageError: a mask is damaged.
    """
    images = [index for index, source in sorted(truth.sources.items()) if isinstance(source, Points)]
    entries = load_index(directory) if images else []

    def look(index: int) -> list[PointOnMap]:
        points, image = truth.sources[index], corpus.images[index]
        assert isinstance(points, Points)
        found = []
        for box in mask_tiles(image.size, entries[index].get("tile")):
            inside = (points.rows >= box.top) & (points.rows < box.bottom)
            inside &= (points.cols >= box.left) & (points.cols < box.right)
            if inside.any():
                rows, cols = points.rows[inside], points.cols[inside]
                mask = read_part(directory, entries[index], box)[rows - box.top, cols - box.left].astype(np.int64)
                mask[mask == nodata(clusters)] = -1
                columns = rows.tolist(), cols.tolist(), points.labels[inside].tolist(), mask.tolist()
                found += [PointOnMap(index, *values) for values in zip(*columns, strict=True)]
        return found

    for found in thread_map(look, images, workers=workers, ahead=workers):
        yield from found


@dataclass(frozen=True, slots=True)
class LabelSource:
    """Where the labels of an image come from."""

    image: Image
    source: Path | Points
    """A label map, or the points of the image."""
    reader: LabelReader
    """Opens label maps."""
    tile: int | None = None
    """Side of the tiles of its mask, if it is a mosaic."""


@dataclass(frozen=True, slots=True)
class LabelTile:
    """The labels in one tile of an image."""

    number: int
    """Of the tile, in the order of `mask_tiles`."""
    box: Box
    rows: Int64 | None
    """(m,) rows of points in the image; None for a label map."""
    cols: Int64 | None
    labels: npt.NDArray[np.integer[Any]]
    """(m,) of points, (h, w) of a map; negative: none."""

    def pick(self, mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The values of a mask (h, w) of the tile where the labels are, in their shape."""
        if self.rows is None or self.cols is None:
            return mask
        return mask[self.rows - self.box.top, self.cols - self.box.left]


ReadMask = Callable[[Box], npt.NDArray[Any]]
"""From a tile to its clusters (h, w); `nodata` where it holds no image."""


def count_image(
    source: LabelSource,
    maps: Sequence[tuple[ReadMask, int]],
    *,
    classes: int,
    on_tile: Callable[[LabelTile], None] | None = None,
) -> list[Confusion]:
    """Count the labelled pixels of an image by label and cluster, tile by tile; tiles without labels are not read.

    Args:
        source: the image and its labels.
        maps: cluster maps of it, and how many clusters each has.
        classes: how many labels there are.
        on_tile: called with every tile that has labels.

    Returns:
        The counts of each map.

    Raises:
        UsageError: a label or a mask is wrong.
    """
    tables = [np.zeros((classes, clusters + 1), np.int64) for _, clusters in maps]
    with open_labels(source.source, source.reader, source.image) as read:
        for number, box in enumerate(mask_tiles(source.image.size, source.tile)):
            tile = LabelTile(number, box, *read(box))
            if not (tile.labels >= 0).any():
                continue
            for table, (read_mask, clusters) in zip(tables, maps, strict=True):
                found = tile.pick(read_mask(box))
                table += metrics.confusion(
                    tile.labels, found, n_classes=classes, n_clusters=clusters, nodata=nodata(clusters)
                )
            if on_tile is not None:
                on_tile(tile)
    return [confusion_of(table) for table in tables]


BoxLabels = tuple[Int64 | None, Int64 | None, npt.NDArray[np.integer[Any]]]
"""Labels in a box: of points rows, columns and labels (m,); of a map None, None and labels (h, w). Negative: none."""


@contextmanager
def open_labels(source: Path | Points, reader: LabelReader, image: Image) -> Iterator[Callable[[Box], BoxLabels]]:
    """A function from a box of an image to the labels in it; of the label map of a mosaic no more is held.

    Raises:
        UsageError: a label map cannot be read, holds a wrong value or has another size than the image.
    """
    if isinstance(source, Points):
        rows, cols, labels = source.rows, source.cols, source.labels

        def points_in(box: Box) -> BoxLabels:
            inside = (rows >= box.top) & (rows < box.bottom) & (cols >= box.left) & (cols < box.right)
            return rows[inside], cols[inside], labels[inside]

        yield points_in
        return
    with reader.open(source, image) as read:
        yield lambda box: (None, None, read(box))

"""Labelled pixels of a run, counted by label and by the cluster that the masks give them.

Only what judges finished masks, or is told to put a person's names on them, imports this; nothing that makes masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, mask_tiles
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.labels.ground_truth import LabelReader, read_truth
from segpipe.labels.point_labels import Points
from segpipe.ops.metrics import confusion as metrics
from segpipe.records.corpus import Corpus, Image
from segpipe.records.palette import nodata
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


def count_labelled(
    labels: Path, classes: Path | None, corpus: Corpus, directory: Path, *, clusters: int, runtime: Runtime
) -> Labelled:
    """Read labels and count them against the masks.

    Args:
        labels: a folder of label maps, or a CSV of points.
        classes: a file of class names, or None.
        corpus: the images.
        directory: `masks/`.
        clusters: how many the masks have.
        runtime: workers and progress.

    Raises:
        UsageError: a label is wrong, or a mask has another size than its image.
        CorpusError: no label belongs to an image.
    """
    truth = read_truth(labels, classes, corpus, runtime)

    entries = load_index(directory)

    def count(index: int) -> Confusion:
        image, entry, source = corpus.images[index], entries[index], truth.sources[index]
        table: Int64 = np.zeros((len(truth.classes), clusters + 1), np.int64)
        with open_labels(source, truth.reader, image) as read:
            for piece in mask_tiles(image.size, entry.get("tile")):
                rows, cols, given = read(piece)
                if not (given >= 0).any():
                    continue
                mask = read_part(directory, entry, piece)
                found = mask if rows is None or cols is None else mask[rows - piece.top, cols - piece.left]
                table += metrics.confusion(
                    given, found, n_classes=len(truth.classes), n_clusters=clusters, nodata=nodata(clusters)
                )
        return confusion_of(table)

    images = tuple(sorted(truth.sources))
    counted = thread_map(count, images, workers=runtime.workers, ahead=runtime.workers)
    counts = list(runtime.track(counted, total=len(images), unit="labelled images"))
    points = any(isinstance(source, Points) for source in truth.sources.values())
    return Labelled(truth.classes, images, join(counts), tuple(truth.unmatched), points)


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

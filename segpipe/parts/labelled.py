"""Labelled pixels of a run, counted by label and by the cluster that the masks give them.

Only what judges finished masks, or is told to put a person's names on them, imports this; nothing that makes masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segpipe.base.errors import UsageError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.data.points import Points
from segpipe.data.truth import read_truth
from segpipe.ops import metrics
from segpipe.records.corpus import Corpus, Image
from segpipe.records.labels import nodata
from segpipe.records.scores import Confusion, confusion_of, join
from segpipe.store.masks import Mask, mask_path, read_mask


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

    def count(index: int) -> Confusion:
        image, source = corpus.images[index], truth.sources[index]
        mask = _mask(directory, image)
        found, given = (
            (mask[source.rows, source.cols], source.labels)
            if isinstance(source, Points)
            else (mask, truth.reader(source, image))
        )
        table = metrics.confusion(
            np.asarray(given), found, n_classes=len(truth.classes), n_clusters=clusters, nodata=nodata(clusters)
        )
        return confusion_of(table)

    images = tuple(sorted(truth.sources))
    counted = thread_map(count, images, workers=runtime.workers, ahead=runtime.workers)
    counts = list(runtime.track(counted, total=len(images), unit="labelled images"))
    points = any(isinstance(source, Points) for source in truth.sources.values())
    return Labelled(truth.classes, images, join(counts), tuple(truth.unmatched), points)


def _mask(directory: Path, image: Image) -> Mask:
    mask = read_mask(mask_path(directory, image.id))
    if mask.shape != (image.size.height, image.size.width):
        raise UsageError(f"{mask_path(directory, image.id)} does not have its image's size; run `segpipe refine`")
    return mask

"""The labels of a corpus, wherever they come from, found and checked before any work is done. For evaluation only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError, UsageError
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.data.labelmaps import find_label_maps, list_label_files, read_classes, read_label_map
from segpipe.data.points import Points, read_points
from segpipe.records.corpus import Corpus, Image


@dataclass(frozen=True, slots=True)
class Truth:
    """The labels of a corpus: for each labelled image, by its index, a label map's path or points."""

    sources: Mapping[int, Path | Points]
    classes: tuple[str, ...]
    values: npt.NDArray[np.int32]
    """(largest stored value + 1,) the class of each value stored in label maps."""
    unmatched: Sequence[str]
    """Names of labels that belong to no image."""
    empty: int
    """Images whose labels hold no labelled pixel; they are not in `sources`."""


def label_files(labels: Path, classes: Path | None) -> list[Path]:
    """The files that `read_truth` will read.

    Raises:
        UsageError: one of the paths does not exist.
    """
    for name, path in (("labels", labels), ("classes", classes)):
        if path is not None and not path.exists():
            raise UsageError(f"--{name} {path}: no such file or folder; check the path")
    found = list_label_files(labels) if labels.is_dir() else [labels]
    return [*found, *([classes] if classes else [])]


def read_truth(labels: Path, classes: Path | None, corpus: Corpus, runtime: Runtime) -> Truth:
    """Find the labels of the corpus and check every one of them.

    Args:
        labels: a folder of label maps, or a CSV of points.
        classes: a file of class names; without it the classes are the values, or names, that the labels hold.
        corpus: the images.
        runtime: workers and progress.

    Raises:
        UsageError: a label file or row is wrong.
        CorpusError: no label belongs to an image, or nothing is labelled.
    """
    names = read_classes(classes) if classes else None
    label_files(labels, classes)
    truth = (_read_maps if labels.is_dir() else _read_points)(labels, names, corpus, runtime)
    if not truth.sources:
        raise CorpusError(
            f"{labels}: every pixel is marked as not labelled, so there is nothing to score; check the labels"
        )
    return truth


def _read_points(labels: Path, classes: tuple[str, ...] | None, corpus: Corpus, runtime: Runtime) -> Truth:
    read = read_points(labels, corpus.images, classes=classes)
    kept = {index: points for index, points in read.points.items() if len(points.labels)}
    return Truth(kept, read.classes, np.zeros(0, np.int32), list(read.unmatched), len(read.points) - len(kept))


def _read_maps(labels: Path, classes: tuple[str, ...] | None, corpus: Corpus, runtime: Runtime) -> Truth:
    found = find_label_maps(labels, corpus.images)
    jobs = [(path, corpus.images[index]) for index, path in found.files.items()]
    seen = thread_map(partial(_values, classes=classes), jobs, workers=runtime.workers, ahead=runtime.workers)
    held = dict(zip(found.files, runtime.track(seen, total=len(jobs), unit="label maps"), strict=True))
    kept = {index: path for index, path in found.files.items() if held[index]}
    if classes is not None:
        return Truth(kept, classes, np.arange(len(classes), dtype=np.int32), found.unmatched, len(held) - len(kept))
    values = sorted(set[int]().union(*held.values()))
    table = np.searchsorted(values, np.arange(max(values, default=0) + 1)).astype(np.int32)
    return Truth(kept, tuple(f"class {v}" for v in values), table, found.unmatched, len(held) - len(kept))


def _values(job: tuple[Path, Image], classes: tuple[str, ...] | None) -> set[int]:
    """The class values that a label map holds."""
    path, image = job
    values = np.unique(read_label_map(path, image))
    held = set(values[values >= 0].tolist())
    if classes is not None and max(held, default=0) >= len(classes):
        raise UsageError(
            f"{path}: holds the value {max(held)}, but the classes file names {len(classes)}, 0 to {len(classes) - 1}; "
            "name all classes, or store 255 (65535 in 16-bit files) where nothing is labelled"
        )
    return held

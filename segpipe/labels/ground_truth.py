"""The labels of a corpus, wherever they come from, found and checked before any work is done. For evaluation only.

Label maps are files from outside: every one is decoded in a guarded process first, before this process reads it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError, UsageError, named
from segpipe.base.geometry import Box, Size, tiles
from segpipe.base.guarded import Gone, Guards
from segpipe.base.parallel import thread_map
from segpipe.base.runtime import Runtime
from segpipe.images.datasets import FOLDER, LabelledImage, existing, find_samples
from segpipe.images.decoding import allow_pixels, memory_for
from segpipe.images.orientation import orientation_of
from segpipe.images.single import MAX_PIXELS
from segpipe.labels.class_colors import Colors
from segpipe.labels.encodings import CODINGS, read_coded
from segpipe.labels.label_maps import (
    find_label_maps,
    list_label_files,
    open_label_map,
    read_class_file,
    read_label_map,
)
from segpipe.labels.placement import UNLABELLED, is_moved
from segpipe.labels.point_labels import Points, read_points
from segpipe.records.corpus import Corpus, Image
from segpipe.records.point_rules import PointRules

T = TypeVar("T")

log = logging.getLogger(__name__)

_PIECE = 1024  # pixels of a mosaic's labels, squared, looked at together


@dataclass(frozen=True, slots=True)
class LabelReader:
    """Reads label maps of one kind; small, so that it can travel to worker processes."""

    layout: str
    values: npt.NDArray[np.int32]
    """As in `Truth`."""
    colors: Colors | None = None
    """As in `Truth`."""

    def __call__(self, path: Path, image: Image) -> npt.NDArray[np.int32]:
        """The label map of an image, (H, W) int32 classes, `UNLABELLED` where there is none.

        Raises:
            UsageError: the file cannot be read, holds a wrong value or has another size than the image.
        """
        if self.layout == FOLDER:
            return self._classes(read_label_map(path, image, self.colors))
        labels = read_coded(path, self.layout)
        if Size(*labels.shape) != image.size:
            raise UsageError(f"{path}: {_misfit(labels, image)}; labels are never resized")
        return labels

    @contextmanager
    def open(self, path: Path, image: Image) -> Iterator[Callable[[Box], npt.NDArray[np.int32]]]:
        """Open the label map of an image for reading boxes of it, as by calling this; of a mosaic no more is held.

        Raises:
            UsageError: as by calling this.
        """
        if self.layout == FOLDER:
            with open_label_map(path, image, self.colors) as read:
                yield lambda box: self._classes(read(box))
        else:
            labels = self(path, image)
            yield lambda box: labels[box.slices]

    def _classes(self, stored: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        return np.where(stored == UNLABELLED, np.int32(UNLABELLED), self.values[stored])


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
    layout: str = FOLDER
    """Of the label maps."""
    colors: Colors | None = None
    """What the colors of label maps mean; None: their stored values are looked at."""

    @property
    def reader(self) -> LabelReader:
        """Reads the label maps."""
        return LabelReader(self.layout, self.values, self.colors)


def label_files(labels: Path, classes: Path | None, *, names: tuple[str, str] = ("labels", "classes")) -> list[Path]:
    """The files that `read_truth` will read where there is no layout; `names` are those of the two settings.

    Raises:
        UsageError: one of the paths does not exist.
    """
    for name, path in zip(names, (labels, classes), strict=True):
        if path is not None and not path.exists():
            raise UsageError(f"{named(name, path)}: no such file or folder; check the path")
    found = list_label_files(labels) if labels.is_dir() else [labels]
    return [*found, *([classes] if classes else [])]


def read_truth(
    labels: Path, classes: Path | None, corpus: Corpus, runtime: Runtime, rules: PointRules | None = None
) -> Truth:
    """Find the labels of the corpus and check every one of them.

    Args:
        labels: a folder of label maps, or a CSV of points.
        classes: a file of class names, each with its color where label maps hold colors; without it the classes are
            the values, or names, that the labels hold.
        corpus: the images.
        runtime: workers and progress.
        rules: how points are read.

    Raises:
        UsageError: a label file or row is wrong.
        CorpusError: no label belongs to an image, or nothing is labelled.
    """
    names, colors = read_class_file(classes) if classes else (None, None)
    label_files(labels, classes)
    if labels.is_dir():
        truth = _read_maps(labels, names, corpus, runtime, colors)
    else:
        truth = _read_points(labels, names, corpus, rules)
    if not truth.sources:
        raise CorpusError(
            f"{labels}: every pixel is marked as not labelled, so there is nothing to score; check the labels"
        )
    return truth


def _read_points(labels: Path, classes: tuple[str, ...] | None, corpus: Corpus, rules: PointRules | None) -> Truth:

    def orientation(index: int) -> int:
        return orientation_of(corpus, corpus.images[index])

    read = read_points(labels, corpus.images, classes=classes, rules=rules, orientation=orientation)
    kept = {index: points for index, points in read.points.items() if len(points.labels)}
    return Truth(kept, read.classes, np.zeros(0, np.int32), list(read.unmatched), len(read.points) - len(kept))


def _read_maps(
    labels: Path, classes: tuple[str, ...] | None, corpus: Corpus, runtime: Runtime, colors: Colors | None
) -> Truth:
    found = find_label_maps(labels, corpus.images)
    jobs = [(path, corpus.images[index]) for index, path in found.files.items()]
    looked = _checked(partial(_values, classes=classes, colors=colors), jobs, runtime)
    held = {index: values - {UNLABELLED} for index, (values, _) in zip(found.files, looked, strict=True)}
    _tell_maps(labels, [values for values, _ in looked], sum(moved for _, moved in looked))
    kept = {index: path for index, path in found.files.items() if held[index]}
    if classes is not None:
        identity = np.arange(len(classes), dtype=np.int32)
        return Truth(kept, classes, identity, found.unmatched, len(held) - len(kept), colors=colors)
    values = sorted(set[int]().union(*held.values()))
    table = np.searchsorted(values, np.arange(max(values, default=0) + 1)).astype(np.int32)
    return Truth(kept, tuple(f"label {v}" for v in values), table, found.unmatched, len(held) - len(kept))


def _tell_maps(labels: Path, values: Sequence[set[int]], moved: int) -> None:
    if moved:
        log.info("%d label maps lie elsewhere than their images' first pixel; taken by their coordinates", moved)
    if set[int]().union(*values) == {UNLABELLED, 0}:
        log.warning(
            "%s: the label maps hold nothing but 0 and pixels that are not labelled (255), which is one class and "
            "makes every map right; if 255 is meant as a class, store 1 instead",
            labels,
        )


def layout_samples(labels: Path, classes: Path | None, *, layout: str, split: str) -> list[LabelledImage]:
    """The images and labels of a published set's split.

    Raises:
        UsageError: class names are given although the layout brings its own, or something is missing.
    """
    if classes is not None:
        raise UsageError(
            f"{named('evaluate.classes', classes)}: the layout {layout} names its own classes; leave it out"
        )
    samples = find_samples(labels, layout=layout, split=split, section="evaluate")
    return existing(labels, samples, layout=layout)


def read_layout(
    labels: Path, samples: Sequence[LabelledImage], corpus: Corpus, runtime: Runtime, *, layout: str
) -> Truth:
    """Find the labels of a corpus in a published set, and check every one of them.

    An image of the corpus belongs to a label where its file is the set's, or has the same path below the run's folder.
    A label of another size than its image cannot be used (SUIM has dozens); it counts as belonging to no image.

    Args:
        labels: the set's folder.
        samples: images and labels of the split.
        corpus: the images of the run.
        runtime: workers and progress.
        layout: the set.

    Raises:
        UsageError: a label file is wrong.
        CorpusError: no label belongs to an image, or nothing is labelled.
    """
    names = {image.path: i for i, image in enumerate(corpus.images)}
    names |= {str(corpus.path(image)): i for i, image in enumerate(corpus.images)}
    places = [names.get(str(labels / sample.image), names.get(sample.image)) for sample in samples]
    own = [(i, sample.label) for i, sample in zip(places, samples, strict=True) if i is not None]
    unmatched = [sample.label for i, sample in zip(places, samples, strict=True) if i is None]
    if not own:
        raise CorpusError(
            f"none of the {len(samples)} labels of {labels} belongs to an image of the run: {samples[0].image!r} is "
            f"not among them, {corpus.images[0].path!r} is; choose the evaluate.split of the run's images, or set "
            "evaluate.protocol=published, which looks at images outside the run"
        )
    jobs = [(labels / label, corpus.images[i]) for i, label in own]
    states = _checked(partial(_state, layout=layout), jobs, runtime)
    unmatched += [f"{label} ({state})" for (_, label), state in zip(own, states, strict=True) if state]
    kept = {i: labels / label for (i, label), state in zip(own, states, strict=True) if state == ""}
    if not kept:
        raise CorpusError(f"{labels}: no label of the split holds a labelled pixel of its image; choose another split")
    classes = CODINGS[layout].classes
    identity = np.arange(len(classes), dtype=np.int32)
    return Truth(kept, classes, identity, unmatched, sum(state is None for state in states), layout)


def _checked(look: Callable[[tuple[Path, Image]], T], jobs: Sequence[tuple[Path, Image]], runtime: Runtime) -> list[T]:
    """What `look` finds in every label map, in guarded processes.

    Raises:
        UsageError: as `look`, or a file crashes its decoder or takes too much memory or time.
    """
    workers = max(1, min(runtime.workers, len(jobs)))
    with Guards(memory_for(MAX_PIXELS)) as guards:

        def check(job: tuple[Path, Image]) -> T:
            try:
                return guards.call(look, job)
            except Gone as gone:
                raise UsageError(f"{job[0]}: {gone}; save this label again or take it away") from gone

        seen = thread_map(check, jobs, workers=workers, ahead=workers)
        return list(runtime.track(seen, total=len(jobs), unit="label maps"))


def _state(job: tuple[Path, Image], layout: str) -> str | None:
    """Why a label cannot be used, or empty where it can; None where it holds no labelled pixel."""
    allow_pixels(job[1].size)
    labels = read_coded(job[0], layout)
    if Size(*labels.shape) != job[1].size:
        return _misfit(labels, job[1])
    return "" if (labels != UNLABELLED).any() else None


def _misfit(labels: npt.NDArray[np.int32], image: Image) -> str:
    height, width = labels.shape
    return f"{width} x {height} pixels where {image.path} has {image.size.width} x {image.size.height}"


def _values(
    job: tuple[Path, Image], classes: tuple[str, ...] | None, colors: Colors | None = None
) -> tuple[set[int], bool]:
    """The values that a label map holds, `UNLABELLED` among them, and whether it is moved against its image."""
    path, image = job
    allow_pixels(image.size)
    side = _PIECE if image.mosaic else max(image.size.height, image.size.width)
    with open_label_map(path, image, colors) as read:
        values = np.unique(np.concatenate([np.unique(read(box)) for box in tiles(image.size, side)]))
    held = set(values.tolist())
    if classes is not None and max(held, default=0) >= len(classes):
        raise UsageError(
            f"{path}: holds the value {max(held)}, but the classes file names {len(classes)}, 0 to {len(classes) - 1}; "
            "name all classes, or store 255 (65535 in 16-bit files) where nothing is labelled"
        )
    return held, is_moved(path, image)

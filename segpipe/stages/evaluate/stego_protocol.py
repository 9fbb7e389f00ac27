"""Evaluation under STEGO's published protocol: crops of 320 x 320, described by the run's own backbone, and counted.

The images need not belong to the run. The network works in this process, batch by batch, the CRF in worker processes.
What is held at a time does not grow with the number of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.base.errors import CorpusError, MachineError, UsageError
from segpipe.base.geometry import Box, Grid, Size, plan_grid
from segpipe.base.guarded import Gone, Guards
from segpipe.base.parallel import process_map, thread_map
from segpipe.base.runtime import Runtime
from segpipe.images.corpus_reader import read_original
from segpipe.images.datasets import LabelledImage
from segpipe.images.decoding import memory_for
from segpipe.images.single import MAX_PIXELS
from segpipe.inference.codes import encode
from segpipe.inference.encoder import Encoder
from segpipe.labels.encodings import CODINGS, read_sample
from segpipe.labels.ground_truth import Truth
from segpipe.labels.placement import UNLABELLED
from segpipe.ops.crf.dense_crf import Crf
from segpipe.ops.maps.crops import cut
from segpipe.ops.maps.segment import Labels, divide
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.ops.metrics import confusion as metrics
from segpipe.ops.metrics import probes
from segpipe.records.clusters import ClusterModel, Split
from segpipe.records.corpus import Corpus
from segpipe.records.scores import Confusion, confusion_of, join
from segpipe.stages.evaluate import scoring
from segpipe.stages.evaluate import stego_views as published

_BATCH = 8  # crops the network sees at once; their mirror images follow

Bytes = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled image."""

    name: str
    path: Path
    read: Callable[[], tuple[Bytes, Int32]]
    """Its pixels (H, W, 3) and labels (H, W), of any size each."""
    outside: bool = False
    """Whether nobody has looked at its files before: they are read in a guarded process."""


@dataclass(frozen=True, slots=True)
class CropSetup:
    """What is the same for all images; small, because it travels to the workers."""

    clusters: ClusterModel
    baseline: ClusterModel
    crf: Crf | None
    grid: Grid
    classes: int


@dataclass(frozen=True, slots=True)
class CropView:
    """What is kept of one image once it was read."""

    index: int
    rgb: Bytes
    """(side, side, 3)"""
    labels: Int32
    """(side, side)"""


@dataclass(frozen=True, slots=True)
class Described:
    """A view with its codes and projected features: for each (rows, cols, d) of the crop and of its mirror image."""

    view: CropView
    codes: tuple[Float32, Float32]
    features: tuple[Float32, Float32]


@dataclass(frozen=True, slots=True)
class CropResult:
    """What scoring the crops gave."""

    evidence: scoring.Evidence
    names: Sequence[str]
    """Of the images that were counted."""
    unmatched: Sequence[str]
    """Labels that do not fit their image."""
    empty: int
    """Crops without a labelled pixel."""


def cases_of_set(root: Path, samples: Sequence[LabelledImage], *, layout: str) -> list[Case]:
    """The images of a published set, whether or not they belong to the run."""
    return [
        Case(
            PurePosixPath(sample.image).with_suffix("").as_posix(),
            root / sample.image,
            partial(read_sample, root / sample.image, root / sample.label, layout),
            outside=True,
        )
        for sample in samples
    ]


def cases_of_run(corpus: Corpus, truth: Truth) -> list[Case]:
    """The images of the run that have label maps.

    Raises:
        UsageError: the labels are points, or an image is a mosaic.
    """

    def read(index: int, source: Path) -> tuple[Bytes, Int32]:
        image = corpus.images[index]
        return read_original(corpus, image).rgb, truth.reader(source, image)

    cases = []
    for index, source in sorted(truth.sources.items()):
        if not isinstance(source, Path):
            raise UsageError(
                "evaluate.protocol=published scales label maps, which points have not; set evaluate.protocol=whole"
            )
        image = corpus.images[index]
        if image.mosaic:
            raise UsageError(
                f"evaluate.protocol=published scales every image to {published.SIDE} pixels, which shows nothing of a "
                f"mosaic such as {image.path}; set evaluate.protocol=whole"
            )
        cases.append(Case(image.id, corpus.path(image), partial(read, index, source)))
    return cases


def classes_of(layout: str) -> tuple[str, ...]:
    """The class names of a published set."""
    return CODINGS[layout].classes


def read_view(item: tuple[int, Case], guards: Guards) -> CropView | str:
    """Read an image with its label and keep what the protocol sees; where they do not fit, the reason.

    Raises:
        CorpusError: the image, or what stands for its label, crashes its decoder or takes too much memory or time.
    """
    index, case = item
    try:
        rgb, labels = guards.call(case.read) if case.outside else case.read()
    except Gone as gone:
        raise CorpusError(f"{case.path}, or its label: {gone}; take both out of the split") from gone
    if rgb.shape[:2] != labels.shape:
        (height, width), (h, w) = rgb.shape[:2], labels.shape
        return f"{case.name} (labels of {w} x {h} pixels for an image of {width} x {height})"
    return CropView(index, published.crop(rgb), published.crop(labels))


def describe(
    views: Sequence[CropView], cases: Sequence[Case], encoder: Encoder, head: Any, setup: CropSetup
) -> Iterator[tuple[Described, Float32]]:
    """Codes and projected features of some crops, and beside them their mean raw features (rows, cols, d).

    Raises:
        MachineError: a feature is not finite.
    """
    shown = np.ones((setup.grid.rows, setup.grid.cols), bool)
    box = Box(0, 0, published.SIDE, published.SIDE)
    cuts = [cut(view.rgb, None, box, setup.grid, row=view.index, flip=True) for view in views]
    plain, _ = encoder.describe(np.stack([item.rgb for item in cuts]))
    mirrored, _ = encoder.describe(np.stack([item.mirrored for item in cuts if item.mirrored is not None]))
    for view, *both in zip(views, plain, mirrored, strict=True):
        if not all(np.isfinite(part).all() for part in both):
            raise MachineError(
                f"{cases[view.index].path}: the backbone's features of this image are not finite; take out the image"
            )
        coded = tuple(encode(head, setup.clusters, part, shown) for part in both)
        base = tuple(encode(None, setup.baseline, part, shown) for part in both)
        yield Described(view, (coded[0], coded[1]), (base[0], base[1])), published.unmirror(both[0], both[1])


def count(item: Described, setup: CropSetup) -> tuple[Confusion, Confusion]:
    """Count the labelled pixels of a crop by class and cluster, for the run's classes and for the baseline."""
    found = []
    with threadpool_limits(1):
        for vectors, model in ((item.codes, setup.clusters), (item.features, setup.baseline)):
            labels = _classify(item.view.rgb, vectors, model, setup)
            table = metrics.confusion(item.view.labels, labels, n_classes=setup.classes, n_clusters=model.clusters)
            found.append(confusion_of(table))
    return found[0], found[1]


def _classify(rgb: Bytes, vectors: tuple[Float32, Float32], model: ClusterModel, setup: CropSetup) -> Labels:
    def classify(part: ClusterModel | Split) -> Labels:
        config = SegmentConfig(part.centers, part.members, crf=setup.crf)
        return published.classify_crop(*vectors, setup.grid, rgb, config)

    return divide(classify(model), model.splits, classify, classes=model.clusters)


def plan(patch: int, clusters: ClusterModel, baseline: ClusterModel, crf: Crf | None, *, classes: int) -> CropSetup:
    """What judging takes, for a network of this patch."""
    grid = plan_grid(Size(published.SIDE, published.SIDE), side=published.SIDE, patch=patch)
    return CropSetup(clusters, baseline, crf, grid, classes)


def gather(
    cases: Sequence[Case], setup: CropSetup, encoder: Encoder, head: Any, runtime: Runtime, *, quota: int, seed: int
) -> CropResult:
    """Judge every image.

    Args:
        cases: the images.
        setup: centers and constants.
        encoder: the run's backbone.
        head: the run's head.
        runtime: device, workers, progress.
        quota: labelled pixels of each crop drawn for the probes.
        seed: of that draw.

    Raises:
        CorpusError: no crop holds a labelled pixel, or an image cannot be read.
        UsageError: a label cannot be read.
    """
    unmatched: list[str] = []
    names: list[str] = []
    empty = 0
    vectors: list[tuple[Float32, Float32, Int64, Int64]] = []

    def views() -> Iterator[CropView]:
        nonlocal empty
        with Guards(memory_for(MAX_PIXELS)) as guards:
            read = partial(read_view, guards=guards)
            seen = thread_map(read, enumerate(cases), workers=runtime.workers, ahead=2 * _BATCH)
            for view in runtime.track(seen, total=len(cases), unit="labelled images"):
                if isinstance(view, str):
                    unmatched.append(view)
                elif (view.labels == UNLABELLED).all():
                    empty += 1
                else:
                    yield view

    def described() -> Iterator[Described]:
        for batch in _batches(views()):
            for item, features in describe(batch, cases, encoder, head, setup):
                vectors.append(draw(item, features, setup.grid, quota=quota, seed=seed))
                names.append(cases[item.view.index].name)
                yield item

    counted = list(process_map(partial(count, setup=setup), described(), workers=min(runtime.workers, len(cases))))
    if not counted:
        raise CorpusError(
            f"none of the {len(cases)} labelled images has a labelled pixel in its middle {published.SIDE} x "
            f"{published.SIDE} pixels; check the labels"
        )
    codes, features, labels, images = (np.concatenate(column) for column in zip(*vectors, strict=True))
    masks, baseline = (join(column) for column in zip(*counted, strict=True))
    return CropResult(scoring.Evidence(masks, baseline, codes, features, labels, images), names, unmatched, empty)


def draw(
    item: Described, features: Float32, grid: Grid, *, quota: int, seed: int
) -> tuple[Float32, Float32, Int64, Int64]:
    """Codes (m, dim), raw features (m, d), labels (m,) and image (m,) at some labelled pixels of a crop."""
    view = item.view
    chosen = probes.draw_pixels(view.labels, count=quota, seed=(seed, view.index))
    rows, cols = np.divmod(chosen, view.labels.shape[1])
    at = grid.locate(rows + 0.5, cols + 0.5)
    labels = view.labels.ravel()[chosen].astype(np.int64)
    codes = probes.read_points(published.unmirror(*item.codes), *at)
    return codes, probes.read_points(features, *at), labels, np.full_like(labels, view.index)


def _batches(views: Iterable[CropView]) -> Iterator[list[CropView]]:
    rest = iter(views)
    while batch := list(islice(rest, _BATCH)):
        yield batch

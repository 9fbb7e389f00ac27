"""Judging whole images at their own size: the run's masks and the baseline's, counted in worker processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box
from segpipe.base.parallel import process_map
from segpipe.base.runtime import Runtime
from segpipe.data.originals import read_original
from segpipe.data.points import Points
from segpipe.data.truth import LabelReader, Truth
from segpipe.ops import metrics, probes, scoring
from segpipe.ops.crf import Crf
from segpipe.ops.segment import Labels, segment
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.labels import nodata
from segpipe.records.scores import Confusion, confusion_of, join
from segpipe.store.features import FeatureStore
from segpipe.store.masks import load_header, mask_path, read_mask
from segpipe.store.run_dir import RunDir

_BATCH = 4  # images that a worker takes at once, at most

T = TypeVar("T")
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Task:
    """One labelled image."""

    index: int
    """Its place in the run's corpus."""
    corpus: Corpus
    """A corpus of this image alone."""
    rows: range
    """Its rows of the feature store."""
    source: Path | Points

    @property
    def image(self) -> Image:
        """The image."""
        return self.corpus.images[0]

    @property
    def boxes(self) -> list[Box]:
        """The boxes of its crops, in the order of `rows`."""
        return [crop.box for crop in self.corpus.crops]


@dataclass(frozen=True, slots=True)
class Setup:
    """What is the same for all labelled images; small, because it travels to the workers with every batch."""

    features: Path
    masks: Path
    baseline: ClusterModel
    refine: Mapping[str, Any]
    """side, sharpness, flip and crf, as the masks' header tells."""
    clusters: int
    nodata: int
    classes: int
    reader: LabelReader
    quota: int
    """Labelled pixels to draw for the probes."""
    seed: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What counting one image gives."""

    task: Task
    masks: Confusion
    baseline: Confusion
    drawn: Points
    """Labelled pixels for the probes."""


def judge(tasks: Sequence[Task], setup: Setup) -> list[Judged]:
    """Count the labelled pixels of some images by class and cluster, for the masks and for the baseline."""
    store = FeatureStore(setup.features)
    with threadpool_limits(1):
        return [_judge_image(task, setup, store) for task in tasks]


def _judge_image(task: Task, setup: Setup, store: FeatureStore) -> Judged:
    mask = read_mask(mask_path(setup.masks, task.image.id))
    size = task.image.size
    if mask.shape != (size.height, size.width):
        raise UsageError(
            f"{mask_path(setup.masks, task.image.id)} does not have its image's size; run `segpipe refine`"
        )
    base = baseline_mask(task, setup, store)
    seed = (setup.seed, task.index)
    if isinstance(task.source, Points):
        at = task.source.rows, task.source.cols
        labels: npt.NDArray[np.integer[Any]] = task.source.labels
        mask, base = mask[at], base[at]
        chosen = probes.draw_pixels(labels, count=setup.quota, seed=seed)
        drawn = Points(at[0][chosen], at[1][chosen], task.source.labels[chosen])
    else:
        labels = setup.reader(task.source, task.image)
        chosen = probes.draw_pixels(labels, count=setup.quota, seed=seed)
        drawn = Points(*np.divmod(chosen, size.width), labels.ravel()[chosen].astype(np.int64))
    count = partial(metrics.confusion, labels, n_classes=setup.classes)
    own = count(mask, n_clusters=setup.clusters, nodata=setup.nodata)
    other = count(base, n_clusters=setup.baseline.clusters, nodata=nodata(setup.baseline.clusters))
    return Judged(task, confusion_of(own), confusion_of(other), drawn)


def baseline_mask(task: Task, setup: Setup, store: FeatureStore) -> Labels:
    """The k-means baseline's classes (H, W), made like the masks; pixels that hold no image are `nodata`."""
    pixels = read_original(task.corpus, task.image)
    project, settings = setup.baseline.project, setup.refine
    crf = settings["crf"]
    labels = segment(
        [project(store.patches(row)) for row in task.rows],
        [store.header.grid(box.size) for box in task.boxes],
        task.boxes,
        pixels.rgb,
        setup.baseline.centers,
        side=settings["side"],
        sharpness=settings["sharpness"],
        crf=None if crf is None else Crf(**crf),
        mirrored=[project(store.patches(row, flipped=True)) for row in task.rows] if settings["flip"] else None,
    )
    if pixels.valid is not None:
        labels[~pixels.valid] = nodata(setup.baseline.clusters)
    return labels


def _batches(items: Sequence[T], workers: int) -> list[Sequence[T]]:
    step = max(1, min(_BATCH, len(items) // workers))
    return [items[start : start + step] for start in range(0, len(items), step)]


def read_vectors(task: Task, drawn: Points, store: FeatureStore, head: Any) -> tuple[Float32, Float32]:
    """Codes (m, dim) and features (m, d) at an image's drawn pixels.

    Where crops overlap, a pixel is read from the crop whose centre is nearest, in units of the crop's sides.
    """
    from segpipe.nn.head import codes  # brings torch: only a stage at work pays for it

    y, x = drawn.rows + 0.5, drawn.cols + 0.5
    nearest = probes.nearest_box(task.boxes, y, x)
    parts: dict[int, tuple[Float32, Float32]] = {}
    for crop in np.unique(nearest).tolist():
        box, own = task.boxes[crop], nearest == crop
        patches = store.patches(task.rows[crop])
        at = store.header.grid(box.size).locate(y[own] - box.top, x[own] - box.left)
        parts[crop] = probes.read_points(codes(head, patches), *at), probes.read_points(patches, *at)
    order = np.argsort(np.argsort(nearest, kind="stable"), kind="stable")
    found = [np.concatenate([parts[crop][i] for crop in sorted(parts)])[order] for i in range(2)]
    return found[0], found[1]


def gather(tasks: Sequence[Task], setup: Setup, head: Any, runtime: Runtime) -> scoring.Evidence:
    """Count in worker processes; read codes and features at the drawn pixels here."""
    store = FeatureStore(setup.features)
    masks, baseline = list[Confusion](), list[Confusion]()
    vectors: list[tuple[Float32, Float32, Int64, Int64]] = []
    batches = _batches(tasks, runtime.workers)
    judged = chain.from_iterable(
        process_map(partial(judge, setup=setup), batches, workers=min(runtime.workers, len(batches)))
    )
    for found in runtime.track(judged, total=len(tasks), unit="labelled images"):
        masks.append(found.masks)
        baseline.append(found.baseline)
        labels = found.drawn.labels
        vectors.append(
            (*read_vectors(found.task, found.drawn, store, head), labels, np.full_like(labels, found.task.index))
        )
    codes, features, values, images = (np.concatenate(column) for column in zip(*vectors, strict=True))
    return scoring.Evidence(join(masks), join(baseline), codes, features, values, images)


def plan(
    truth: Truth, corpus: Corpus, baseline: ClusterModel, run_dir: RunDir, *, quota: int, seed: int
) -> tuple[Setup, list[Task]]:
    """What to count, and in which images; `quota` labelled pixels of each are drawn for the probes."""
    header = load_header(run_dir.path("masks"))
    setup = Setup(
        features=run_dir.path("features"),
        masks=run_dir.path("masks"),
        baseline=baseline,
        refine={name: header[name] for name in ("side", "sharpness", "flip", "crf")},
        clusters=header["classes"],
        nodata=header["nodata"],
        classes=len(truth.classes),
        reader=truth.reader,
        quota=quota,
        seed=seed,
    )
    tasks = [
        Task(index, _alone(corpus, index), corpus.crops_of[index], source)
        for index, source in sorted(truth.sources.items())
    ]
    return setup, tasks


def _alone(corpus: Corpus, index: int) -> Corpus:
    crops = tuple(Crop(0, corpus.crops[row].box) for row in corpus.crops_of[index])
    return Corpus(corpus.root, (corpus.images[index],), crops, corpus.scaling)

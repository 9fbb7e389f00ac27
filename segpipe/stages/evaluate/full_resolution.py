"""Judging whole images at their own size: the run's masks and the baseline's, counted in worker processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.base.geometry import Box, mask_tiles
from segpipe.base.parallel import process_map
from segpipe.base.runtime import Runtime
from segpipe.inference.segmenter import How, Shown, label_piece
from segpipe.labels.counting import open_labels
from segpipe.labels.ground_truth import LabelReader, Truth
from segpipe.labels.point_labels import Points
from segpipe.ops.crf.dense_crf import Crf
from segpipe.ops.metrics import confusion as metrics
from segpipe.ops.metrics import probes
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.palette import nodata
from segpipe.records.scores import Confusion, confusion_of, join
from segpipe.stages.evaluate import scoring
from segpipe.store.features import FeatureStore
from segpipe.store.masks import load_header, load_index, read_part
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
    tile: int | None = None
    """Side of the tiles of its mask, if it is a mosaic."""

    @property
    def entry(self) -> dict[str, Any]:
        """What of its line of the masks' index says where its mask lies."""
        size = self.image.size
        entry: dict[str, Any] = {"id": self.image.id, "height": size.height, "width": size.width}
        return entry if self.tile is None else {**entry, "tile": self.tile}

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
    """Count piece by piece: a photograph is one piece, a mosaic has a tile for each tile of its mask."""
    how, shown = _how(setup), _shown(task, store)
    own = np.zeros((setup.classes, setup.clusters + 1), np.int64)
    base = np.zeros((setup.classes, setup.baseline.clusters + 1), np.int64)
    drawn = list[_Drawn]()

    def read_codes(row: int, flipped: bool) -> npt.NDArray[np.floating]:
        return np.asarray(setup.baseline.project(store.patches(row, flipped=flipped)))

    with open_labels(task.source, setup.reader, task.image) as read:
        for number, piece in enumerate(mask_tiles(task.image.size, task.tile)):
            rows, cols, labels = read(piece)
            if not (labels >= 0).any():
                continue
            mask = read_part(setup.masks, task.entry, piece)
            other = label_piece(shown, piece, how, read_codes)
            if rows is not None and cols is not None:
                mask, other = mask[rows - piece.top, cols - piece.left], other[rows - piece.top, cols - piece.left]
            count = partial(metrics.confusion, labels, n_classes=setup.classes)
            own += count(mask, n_clusters=setup.clusters, nodata=setup.nodata)
            base += count(other, n_clusters=setup.baseline.clusters, nodata=nodata(setup.baseline.clusters))
            seed = (setup.seed, task.index, number) if task.image.mosaic else (setup.seed, task.index)
            drawn.append(_draw(piece, rows, cols, labels, count=setup.quota, seed=seed))
    return Judged(task, confusion_of(own), confusion_of(base), _join_drawn(drawn, setup, task.index))


_Drawn = tuple[Points, int]
"""Labelled pixels drawn of a piece, and how many it has."""


def _draw(
    piece: Box,
    rows: Int64 | None,
    cols: Int64 | None,
    labels: npt.NDArray[np.integer[Any]],
    *,
    count: int,
    seed: tuple[int, ...],
) -> _Drawn:
    chosen = probes.draw_pixels(labels, count=count, seed=seed)
    if rows is None or cols is None:
        rows, cols = np.divmod(chosen, piece.width)
        points = Points(rows + piece.top, cols + piece.left, labels.ravel()[chosen].astype(np.int64))
    else:
        points = Points(rows[chosen], cols[chosen], labels[chosen].astype(np.int64))
    return points, int((labels >= 0).sum())


def _join_drawn(drawn: Sequence[_Drawn], setup: Setup, index: int) -> Points:
    """Of what was drawn of each piece so much that all labelled pixels of the image were as likely."""
    if len(drawn) == 1:
        return drawn[0][0]
    rng = np.random.default_rng((setup.seed, index))
    totals = np.array([total for _, total in drawn], np.int64)
    shares = rng.multivariate_hypergeometric(totals, min(setup.quota, int(totals.sum())), method="marginals")
    picked = [
        (points, np.sort(rng.permutation(len(points.labels))[:share]))
        for (points, _), share in zip(drawn, shares.tolist(), strict=True)
    ]
    columns = [[getattr(points, name)[some] for points, some in picked] for name in ("rows", "cols", "labels")]
    return Points(*(np.concatenate(column) if column else np.zeros(0, np.int64) for column in columns))


def _shown(task: Task, store: FeatureStore) -> Shown:
    grids = [store.header.grid(box.size) for box in task.boxes]
    return Shown(task.corpus, task.image, task.rows, task.boxes, grids)


def _how(setup: Setup) -> How:
    """How the k-means baseline's classes are made: like the masks."""
    crf = setup.refine["crf"]
    return How(
        centers=setup.baseline.centers,
        members=None,
        classes=setup.baseline.clusters,
        side=setup.refine["side"],
        sharpness=setup.refine["sharpness"],
        flip=setup.refine["flip"],
        crf=None if crf is None else Crf(**crf),
    )


def _batches(items: Sequence[T], workers: int) -> list[Sequence[T]]:
    step = max(1, min(_BATCH, len(items) // workers))
    return [items[start : start + step] for start in range(0, len(items), step)]


def read_vectors(task: Task, drawn: Points, store: FeatureStore, head: Any) -> tuple[Float32, Float32]:
    """Codes (m, dim) and features (m, d) at an image's drawn pixels.

    Where crops overlap, a pixel is read from the crop whose centre is nearest, in units of the crop's sides.
    """
    from segpipe.nn.head import codes

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
    mosaics = any(image.mosaic for image in corpus.images)
    sides = (
        [entry.get("tile") for entry in load_index(run_dir.path("masks"))] if mosaics else [None] * len(corpus.images)
    )
    tasks = [
        Task(index, _alone(corpus, index), corpus.crops_of[index], source, sides[index])
        for index, source in sorted(truth.sources.items())
    ]
    return setup, tasks


def _alone(corpus: Corpus, index: int) -> Corpus:
    crops = tuple(Crop(0, corpus.crops[row].box) for row in corpus.crops_of[index])
    return replace(corpus, images=(corpus.images[index],), crops=crops)

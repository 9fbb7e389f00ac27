"""Evaluation of whole images at their own size: the run's masks and the baseline's, counted in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from segpipe.base.geometry import Box
from segpipe.base.parallel import process_map
from segpipe.base.runtime import Runtime
from segpipe.inference.segmenter import ImageCrops, label_tile
from segpipe.labels.counting import LabelSource, LabelTile, count_image
from segpipe.labels.ground_truth import LabelReader, Truth
from segpipe.labels.point_labels import Points
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.ops.metrics import probes
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus, Crop, Image
from segpipe.records.scores import Confusion, join
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
class CountSetup:
    """What is the same for all labelled images; small, because it travels to the workers with every batch."""

    features: Path
    masks: Path
    baseline: ClusterModel
    config: SegmentConfig
    """How the classes of the baseline are made: like the masks."""
    clusters: int
    classes: int
    reader: LabelReader
    quota: int
    """Labelled pixels to draw for the probes."""
    seed: int


@dataclass(frozen=True, slots=True)
class ImageCounts:
    """What counting one image gives."""

    task: Task
    masks: Confusion
    baseline: Confusion
    drawn: Points
    """Labelled pixels for the probes."""


def count_images(tasks: Sequence[Task], setup: CountSetup) -> list[ImageCounts]:
    """Count the labelled pixels of some images by class and cluster, for the masks and for the baseline."""
    store = FeatureStore(setup.features)
    with threadpool_limits(1):
        return [_count_image(task, setup, store) for task in tasks]


def _count_image(task: Task, setup: CountSetup, store: FeatureStore) -> ImageCounts:
    crops, drawn = _image_crops(task, store), list[_Drawn]()

    def read_codes(row: int, flipped: bool) -> npt.NDArray[np.floating]:
        return np.asarray(setup.baseline.project(store.patches(row, flipped=flipped)))

    def draw(tile: LabelTile) -> None:
        seed = (setup.seed, task.index, tile.number) if task.image.mosaic else (setup.seed, task.index)
        drawn.append(_draw(tile, count=setup.quota, seed=seed))

    masks, baseline = count_image(
        LabelSource(task.image, task.source, setup.reader, task.tile),
        [
            (partial(read_part, setup.masks, task.entry), setup.clusters),
            (lambda tile: label_tile(crops, tile, setup.config, read_codes), setup.baseline.clusters),
        ],
        classes=setup.classes,
        on_tile=draw,
    )
    return ImageCounts(task, masks, baseline, _join_drawn(drawn, setup, task.index))


_Drawn = tuple[Points, int]
"""Labelled pixels drawn of a tile, and how many it has."""


def _draw(tile: LabelTile, *, count: int, seed: tuple[int, ...]) -> _Drawn:
    labels = tile.labels
    chosen = probes.draw_pixels(labels, count=count, seed=seed)
    if tile.rows is None or tile.cols is None:
        rows, cols = np.divmod(chosen, tile.box.width)
        points = Points(rows + tile.box.top, cols + tile.box.left, labels.ravel()[chosen].astype(np.int64))
    else:
        points = Points(tile.rows[chosen], tile.cols[chosen], labels[chosen].astype(np.int64))
    return points, int((labels >= 0).sum())


def _join_drawn(drawn: Sequence[_Drawn], setup: CountSetup, index: int) -> Points:
    """Of what was drawn of each tile so much that all labelled pixels of the image were as likely."""
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


def _image_crops(task: Task, store: FeatureStore) -> ImageCrops:
    grids = [store.header.grid(box.size) for box in task.boxes]
    return ImageCrops(task.corpus, task.image, task.rows, task.boxes, grids)


def _batches(items: Sequence[T], workers: int) -> list[Sequence[T]]:
    step = max(1, min(_BATCH, len(items) // workers))
    return [items[start : start + step] for start in range(0, len(items), step)]


def read_vectors(task: Task, drawn: Points, store: FeatureStore, head: Any) -> tuple[Float32, Float32]:
    """Codes (m, dim) and features (m, d) at an image's drawn pixels."""
    from segpipe.nn.head import codes

    def fields(crop: int) -> tuple[Any, Any]:
        patches = store.patches(task.rows[crop])
        return codes(head, patches), patches

    found = probes.read_crops(store.header, task.boxes, drawn.rows, drawn.cols, fields)
    return found[0], found[1]


def gather(tasks: Sequence[Task], setup: CountSetup, head: Any, runtime: Runtime) -> scoring.Evidence:
    """Count in worker processes; read codes and features at the drawn pixels here."""
    store = FeatureStore(setup.features)
    masks, baseline = list[Confusion](), list[Confusion]()
    vectors: list[tuple[Float32, Float32, Int64, Int64]] = []
    batches = _batches(tasks, runtime.workers)
    counted = chain.from_iterable(
        process_map(partial(count_images, setup=setup), batches, workers=min(runtime.workers, len(batches)))
    )
    for found in runtime.track(counted, total=len(tasks), unit="labelled images"):
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
) -> tuple[CountSetup, list[Task]]:
    """What to count, and in which images; `quota` labelled pixels of each are drawn for the probes."""
    header = load_header(run_dir.path("masks"))
    setup = CountSetup(
        features=run_dir.path("features"),
        masks=run_dir.path("masks"),
        baseline=baseline,
        config=SegmentConfig.from_header(baseline, header),
        clusters=header["classes"],
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
        Task(index, _corpus_of_one(corpus, index), corpus.crops_of[index], source, sides[index])
        for index, source in sorted(truth.sources.items())
    ]
    return setup, tasks


def _corpus_of_one(corpus: Corpus, index: int) -> Corpus:
    crops = tuple(Crop(0, corpus.crops[row].box) for row in corpus.crops_of[index])
    return replace(corpus, images=(corpus.images[index],), crops=crops)

"""Steering: labelled points that steer the classes, where a person asks for it. Nothing else in `cluster` reads any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import CorpusError, UsageError, named
from segpipe.base.geometry import tiles
from segpipe.base.runtime import Runtime
from segpipe.labels.counting import open_labels
from segpipe.labels.ground_truth import Truth, label_files, read_truth
from segpipe.labels.point_labels import Points
from segpipe.ops.clustering.guided import guide_clusters
from segpipe.ops.clustering.knn import unit_rows
from segpipe.ops.clustering.linkage import MERGE_COSINE
from segpipe.ops.maps.smoothing import smooth
from segpipe.ops.metrics.probes import draw_pixels, read_crops
from segpipe.records.clusters import ClusterModel, ClusterTree
from segpipe.records.corpus import Corpus
from segpipe.records.guide import Guide
from segpipe.records.point_rules import PointRules
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir

if TYPE_CHECKING:
    from segpipe.nn.head import Head

_DRAWN = 256  # pixels of a label map, or of a tile of it, that steer: neighbors say the same
_TILE = 4096

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GuideSettings:
    """What of the settings of `cluster` says how points steer."""

    guide: Path
    guide_classes: Path | None
    rules: PointRules
    hold_out: float
    k: int | None
    """Classes wanted; None = as many as patches ask for."""
    smooth: float
    seed: int


def guide_files(guide: Path, classes: Path | None) -> list[Path]:
    """The user's files that steer.

    Raises:
        UsageError: one of the paths does not exist.
    """
    return label_files(guide, classes, names=("cluster.guide", "cluster.guide_classes"))


def hold_out(corpus: Corpus, images: list[int], share: float, seed: int) -> set[int]:
    """Which labelled images do not steer; frames that follow each other stay together.

    Args:
        corpus: the images.
        images: indices of those that are labelled.
        share: of them to hold out, 0 to below 1.
        seed: of the draw, from (seed, 6).

    Raises:
        CorpusError: there is only one to draw from.
    """
    if not share:
        return set()
    shots = np.unique(corpus.shots[images])
    if len(shots) < 2:
        raise CorpusError(
            f"{named('cluster.hold_out', share)}: only one image is labelled, and none would be left to steer; label "
            "another, or leave it out"
        )
    count = min(max(1, round(share * len(shots))), len(shots) - 1)
    held = np.random.default_rng((seed, 6)).permutation(shots)[:count]
    return {index for index in images if corpus.shots[index] in held}


def guided(
    settings: GuideSettings, tree: ClusterTree, head: Head, store: FeatureStore, run_dir: RunDir, runtime: Runtime
) -> tuple[ClusterModel, Int64, Guide]:
    """The clusters steered by labelled points, the largest first, their sizes in the pool, and what steered.

    Raises:
        UsageError: a label is wrong, or there are more labels than classes wanted.
        CorpusError: no label belongs to an image, or none is left to steer.
    """
    corpus = load_corpus(run_dir.path("corpus"))
    truth = read_truth(settings.guide, settings.guide_classes, corpus, runtime, settings.rules)
    images = sorted(truth.sources)
    held = hold_out(corpus, images, settings.hold_out, settings.seed)
    steering = [index for index in images if index not in held]
    points, given = _read_codes(truth, corpus, steering, head, store, settings)
    present, labels = np.unique(given, return_inverse=True)
    k = settings.k
    if k is not None and k < len(present):
        raise UsageError(
            f"{named('cluster.k', k)}: {settings.guide} has points of {len(present)} labels, each a class of its own; "
            f"set cluster.k to {len(present)} or more"
        )
    found = guide_clusters(
        tree.centers, unit_rows(tree.smoothed.astype(np.float32))[0], points, labels, k=k, cosine=MERGE_COSINE
    )
    order = np.argsort(-found.sizes, kind="stable")
    names = [truth.classes[label] for label in present.tolist()]
    model = ClusterModel(
        found.centers, tree.inertia, members=np.argsort(order)[found.members].astype(np.int64), smooth=settings.smooth
    )
    guide = Guide(
        file=str(settings.guide),
        points=len(points),
        labels=tuple(names),
        names=tuple(names[place] if place < len(names) else "" for place in order.tolist()),
        images=tuple(corpus.images[index].id for index in steering),
        held_out=len(held),
    )
    return model, found.sizes[order], guide


def _read_codes(
    truth: Truth, corpus: Corpus, images: list[int], head: Head, store: FeatureStore, settings: GuideSettings
) -> tuple[Float32, Int64]:
    """Unit codes (n, d) at the labelled pixels of some images, smoothed as masks see them, and labels (n,)."""
    vectors, labels = list[Float32](), list[Int64]()
    for index in images:
        for points in _pixels(truth, corpus, index, settings.seed):
            units, blank = unit_rows(_codes_at(corpus, index, points, head, store, settings.smooth))
            vectors.append(units[~blank].astype(np.float32))
            labels.append(points.labels[~blank])
    if not sum(map(len, labels)):
        raise CorpusError(f"{settings.guide}: no labelled pixel shows image, so nothing can steer; check the labels")
    return np.concatenate(vectors), np.concatenate(labels)


def _pixels(truth: Truth, corpus: Corpus, index: int, seed: int) -> Iterator[Points]:
    """Labelled pixels of an image: all points, some of a label map."""
    source, image = truth.sources[index], corpus.images[index]
    if isinstance(source, Points):
        yield source
        return
    with open_labels(source, truth.reader, image) as read:
        for number, box in enumerate(tiles(image.size, _TILE)):
            labels = read(box)[2]
            chosen = draw_pixels(labels, count=_DRAWN, seed=(seed, index, number))
            if len(chosen):
                rows, cols = np.divmod(chosen, box.width)
                yield Points(rows + box.top, cols + box.left, labels.ravel()[chosen].astype(np.int64))


def _codes_at(corpus: Corpus, index: int, points: Points, head: Head, store: FeatureStore, share: float) -> Float32:
    """Smoothed codes (m, dim) at pixels of an image."""
    from segpipe.nn.head import codes

    rows = list(corpus.crops_of[index])

    def fields(crop: int) -> tuple[Float32]:
        return (smooth(codes(head, store.patches(rows[crop])), store.valid(rows[crop]), share),)

    return read_crops(store.header, [corpus.crops[row].box for row in rows], points.rows, points.cols, fields)[0]

"""Gallery of the classes: the most typical patches of each, and how well images fit, from a sample of the crops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box
from segpipe.inference.codes import encode, open_head
from segpipe.ops import gallery
from segpipe.ops.frame_places import FramePlaces
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus
from segpipe.records.gallery import Patch
from segpipe.records.legend import Legend
from segpipe.store import masks
from segpipe.store.class_names import open_legend
from segpipe.store.clusters import open_clusters
from segpipe.store.corpus import load_corpus
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

CROPS = 600
"""Most crops whose patches are sampled, whatever the size of the corpus."""


@dataclass(frozen=True, slots=True)
class GalleryInputs:
    """The artefacts, opened."""

    corpus: Corpus
    features: FeatureStore
    encode: Callable[[npt.NDArray[np.floating], npt.NDArray[np.bool_]], npt.NDArray[np.float32]]
    """A crop's features (rows, cols, d), and which patches are valid, to what clusters are compared with."""
    clusters: ClusterModel
    masks: Path
    index: Sequence[Mapping[str, Any]]
    """Pixel counts per image by class of the legend, in the order of the corpus."""
    legend: Legend
    """The classes shown, made of clusters."""

    def box(self, patch: Patch) -> Box:
        """Where a patch lies in its image."""
        whole = self.corpus.crops[patch.crop].box
        part = self.features.header.grid(whole.size).patch_box(patch.row, patch.col)
        return Box(whole.top + part.top, whole.left + part.left, part.height, part.width)

    def middles(self, image: int, crop: int, valid: npt.NDArray[np.bool_]) -> tuple[Float64, Float64]:
        """Rows and columns (m,) of the middles of a crop's valid patches, 0 to 1 from the top left of the image."""
        whole, size = self.corpus.crops[crop].box, self.corpus.images[image].size
        grid = self.features.header.grid(whole.size)
        rows, cols = (np.argwhere(valid) + 0.5).T
        high, wide = whole.height / (grid.content.height / grid.patch), whole.width / (grid.content.width / grid.patch)
        return (whole.top + rows * high) / size.height, (whole.left + cols * wide) / size.width


@dataclass(frozen=True, slots=True)
class Survey:
    """What a sample of the crops has shown."""

    crops: int
    best: Sequence[Sequence[Patch]]
    """Per class."""
    fit: Mapping[int, float]
    """For each image sampled the mean cosine of its patches to their class centers."""
    feature_axes: gallery.ColorAxes
    code_axes: gallery.ColorAxes
    fixed: Sequence[int] = ()
    """Classes that lie at the same place of every frame, see `FramePlaces.fixed`."""


def survey(inputs: GalleryInputs, crops: Iterable[tuple[int, int]], *, keep: int, per_crop: int, seed: int) -> Survey:
    """Read crops (image, crop) one by one; memory does not grow with their size or number.

    Args:
        inputs: the run.
        crops: which ones.
        keep: patches kept per class.
        per_crop: patches of each crop that decide on the colors of features.
        seed: of the choice of these.
    """
    rng = np.random.default_rng(seed)
    clusters = len(inputs.legend.classes_of)
    best, sizes = gallery.BestPatches(clusters, keep, inputs.corpus.groups), np.zeros(clusters, np.int64)
    places, frame = FramePlaces(inputs.legend.classes), list[tuple[Float64, Float64, Int64]]()
    cosines_of, features_seen, codes_seen = defaultdict[int, list[float]](list), [], []
    count, last = 0, -1
    for image, crop in crops:
        if image != last and frame:
            places.add(*map(np.concatenate, zip(*frame, strict=True)))
            frame.clear()
        last = image
        patches, valid = inputs.features.patches(crop), inputs.features.valid(crop)
        valid = valid if valid.any() else ~valid  # an image of nothing but no data: better shown than left out
        found = inputs.encode(patches, inputs.features.valid(crop))
        labels, cosines = gallery.assign_parts(found, inputs.clusters)
        classes = inputs.legend.classes_of[labels]
        best.add(labels, cosines, valid & (classes >= 0), image=image, crop=crop)
        sizes += np.bincount(labels[valid], minlength=clusters)
        if not inputs.corpus.images[image].mosaic:
            frame.append((*inputs.middles(image, crop, valid), classes[valid]))
        at = np.argwhere(valid)
        cosines_of[image].append(float(cosines[valid].mean()))
        rows, cols = at[rng.permutation(len(at))[:per_crop]].T
        features_seen.append(np.asarray(patches[rows, cols], np.float32))
        codes_seen.append(found[rows, cols])
        count += 1
    if frame:
        places.add(*map(np.concatenate, zip(*frame, strict=True)))
    features, codes = (gallery.color_axes(np.concatenate(seen)) for seen in (features_seen, codes_seen))
    fit = {image: float(np.mean(c)) for image, c in cosines_of.items()}
    return Survey(count, _of_classes(best.best(), sizes, inputs.legend, keep), fit, features, codes, places.fixed())


def _of_classes(best: Sequence[Sequence[Patch]], sizes: Int64, legend: Legend, keep: int) -> list[Sequence[Patch]]:
    """The best patches of every class, those of several clusters by the share of each."""
    shown = []
    for k in range(legend.classes):
        own = np.flatnonzero(legend.classes_of == k).tolist()
        parts = [best[cluster] for cluster in own]
        shown.append(parts[0] if len(own) == 1 else gallery.by_share(parts, sizes[own].tolist(), keep))
    return shown


def open_inputs(run_dir: RunDir, legend: Legend | None = None) -> GalleryInputs:
    """Open what the gallery shows, by the classes of a legend or, without one, by those of classes.yaml."""
    corpus = load_corpus(run_dir.path("corpus"))
    head = open_head(run_dir.path("head"))
    clusters = open_clusters(run_dir)
    legend = legend or open_legend(run_dir, clusters.clusters)
    return GalleryInputs(
        corpus=corpus,
        features=FeatureStore(run_dir.path("features")),
        encode=partial(encode, head, clusters),
        clusters=clusters,
        masks=run_dir.path("masks"),
        index=masks.by_class(masks.load_index(run_dir.path("masks")), legend),
        legend=legend,
    )

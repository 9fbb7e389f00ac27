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
    best = gallery.BestPatches(inputs.legend.classes, keep, inputs.corpus.groups)
    cosines_of, features_seen, codes_seen = defaultdict[int, list[float]](list), [], []
    count = 0
    for image, crop in crops:
        patches, valid = inputs.features.patches(crop), inputs.features.valid(crop)
        valid = valid if valid.any() else ~valid  # an image of nothing but no data: better shown than left out
        found = inputs.encode(patches, inputs.features.valid(crop))
        labels, cosines = gallery.assign_parts(found, inputs.clusters)
        classes = inputs.legend.classes_of[labels]
        best.add(classes, cosines, valid & (classes >= 0), image=image, crop=crop)
        places = np.argwhere(valid)
        cosines_of[image].append(float(cosines[valid].mean()))
        rows, cols = places[rng.permutation(len(places))[:per_crop]].T
        features_seen.append(np.asarray(patches[rows, cols], np.float32))
        codes_seen.append(found[rows, cols])
        count += 1
    axes = [gallery.color_axes(np.concatenate(seen)) for seen in (features_seen, codes_seen)]
    return Survey(count, best.best(), {image: float(np.mean(c)) for image, c in cosines_of.items()}, *axes)


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

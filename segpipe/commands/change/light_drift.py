"""What light, season or depth could make: the drift of features between the dates, from the stores of their runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.commands.change.survey import SurveyDate
from segpipe.inference.plain_codes import PlainHead, open_plain_head
from segpipe.ops.change.feature_drift import FeatureDrift, measure_drift
from segpipe.records.clusters import ClusterModel
from segpipe.records.legend import Legend
from segpipe.store.clusters import open_clusters
from segpipe.store.features import FeatureStore

_CROPS = 400  # of a date
_PATCHES = 24_000
_FEW = 8  # images, of which halves are too coarse

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PatchClasses:
    """Says the classes of patches, as a run has them before borders are refined."""

    head: PlainHead
    clusters: ClusterModel
    legend: Legend

    def __call__(self, features: Float32) -> Int64:
        """Features (n, d) to classes (n,), -1 for none."""
        centers, members = self.clusters.flat
        nearest = (self.clusters.project(self.head.codes(features)) @ centers.T).argmax(axis=1)
        return np.asarray(self.legend.classes_of[members[nearest]], np.int64)


def drift_between(first: SurveyDate, second: SurveyDate, *, seed: int) -> FeatureDrift | None:
    """The drift of a seeded sample of patches; None where the runs' features cannot be compared.

    Args:
        first: the date by whose head and clusters patches have classes.
        second: the other date.
        seed: of the sample.
    """
    stores = [FeatureStore(survey.run_dir.path("features")) for survey in (first, second)]
    if stores[0].header.dim != stores[1].header.dim or stores[0].header.backbone != stores[1].header.backbone:
        return None
    head = open_plain_head(first.run_dir.path("head"))
    assign = PatchClasses(head, open_clusters(first.run_dir), first.legend)
    (own, images), (other, _) = (
        sample_patches(survey, store, seed=seed) for survey, store in zip((first, second), stores, strict=True)
    )
    if second.shift is not None:
        other = other - second.shift
    numbers = np.unique(images)
    half = np.random.default_rng((seed, 1)).permutation(numbers)[: len(numbers) // 2]
    return measure_drift(own, other, assign, first.legend.classes, halves=np.isin(images, half))


def sample_patches(survey: SurveyDate, store: FeatureStore, *, seed: int) -> tuple[Float32, Int64]:
    """Features (n, d) of an even sample of the date's valid patches, and the image of each (n,).

    The parts of mosaics count as images of their own where there are few images.
    """
    rng = np.random.default_rng((seed, 0))
    crops = np.concatenate([np.array(survey.corpus.crops_of[i], np.int64) for i in survey.images])
    if len(crops) > _CROPS:
        crops = np.sort(rng.choice(crops, _CROPS, replace=False))
    each, groups = max(1, _PATCHES // len(crops)), survey.corpus.groups
    if len(np.unique(groups[crops])) < _FEW:
        groups = np.arange(len(groups))
    parts, images = [], []
    for crop in crops.tolist():
        patches = store.patches(crop)[store.valid(crop)]
        if len(patches) > each:
            patches = patches[np.sort(rng.choice(len(patches), each, replace=False))]
        parts.append(patches.astype(np.float32))
        images.append(np.full(len(patches), groups[crop], np.int64))
    return np.concatenate(parts), np.concatenate(images)

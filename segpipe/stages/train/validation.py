"""Validation without labels: the neighbor agreement of every candidate on the same patches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.parallel import torch_alone
from segpipe.ops.clustering.neighbor_agreement import agreement, nearest_elsewhere
from segpipe.ops.clustering.sampler import some
from segpipe.ops.maps.smoothing import smooth
from segpipe.stages.train.data import Material

if TYPE_CHECKING:
    from segpipe.nn.head import Head

_PATCHES, _CROPS, _QUERIES = 30_000, 400, 3000
_AT_ONCE = 16  # crops
_SHARE = 0.5  # weight of a neighbor on the grid, as in clustering

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Exam:
    """Patches of some crops, and which of them should come to one class."""

    material: Material
    picks: dict[int, Int64]
    """By crop the patches that take part, as places in the largest grid."""
    queries: Int64
    partners: Int64

    def score(self, head: Head) -> float:
        """The neighbor agreement of a head, rounded to six digits; nothing is dropped, even in training."""
        from segpipe.nn.head import codes

        crops, found = np.array([*self.picks]), []
        with torch_alone():
            for start in range(0, len(crops), _AT_ONCE):
                some_crops = crops[start : start + _AT_ONCE]
                fields = codes(head, self.material.store.batch(some_crops))
                for crop, field, valid in zip(
                    some_crops.tolist(), fields, self.material.valid(some_crops), strict=True
                ):
                    found.append(smooth(field, valid, _SHARE).reshape(-1, head.dim)[self.picks[crop]])
        return round(agreement(np.concatenate(found), self.queries, self.partners, seed=self.material.seed), 6)


class Validator:
    """Scores heads by one exam, which is drawn when the first one comes."""

    def __init__(self, material: Material) -> None:
        self._material = material

    @cached_property
    def _exam(self) -> Exam | None:
        return open_exam(self._material)

    def score(self, head: Head) -> float | None:
        """The neighbor agreement of a head; None where one crop cannot be compared with others."""
        return None if self._exam is None else self._exam.score(head)


def open_exam(material: Material) -> Exam | None:
    """Draw at most 30,000 patches evenly from at most 400 crops, and 3000 of them to ask about.

    The partner of a patch is the nearest one in another image, in another crop where there is one image; None where
    there is one crop.
    """
    rng = np.random.default_rng((material.seed, 6))
    crops = material.valid.crops
    crops = crops[some(len(crops), _CROPS, rng)]
    if len(crops) < 2:
        return None
    each = max(1, _PATCHES // len(crops))
    picks, features, groups = {}, [], []
    several = len(np.unique(material.images[crops])) > 1
    for crop in crops.tolist():
        places = np.flatnonzero(material.valid(np.array([crop])))
        places = places[some(len(places), each, rng)]
        picks[crop] = places
        features.append(material.store.batch([crop]).reshape(-1, material.store.header.dim)[places])
        groups.append(np.full(len(places), material.images[crop] if several else crop))
    centered = np.concatenate(features).astype(np.float32) - material.mean
    queries = some(len(centered), _QUERIES, rng)
    return Exam(material, picks, queries, nearest_elsewhere(centered, queries, np.concatenate(groups)))

"""What the objects of a scene look like, learned from its first frame, and how any frame answers to it.

Two trackers. `dora` is DoRA's (see `prototypes`): prototypes are pooled from queries, refined among tokens and compared
with keys. Its training makes these three spaces one; in a network that was not trained so they have little to do with
each other. `contrast` stays in the space of the keys, and asks of every patch whether it is more like an object or more
like what no head looks at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from segpipe.ops.tracking.prototypes import Heads, above_mean, attend, choose_heads, pool, refine, unit
from segpipe.ops.tracking.sinkhorn import Rule

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_GROUPS = 4  # prototypes of what no head looks at
_ROUNDS = 10  # of their k-means


@dataclass(frozen=True, slots=True)
class PatchFacets:
    """What one block of a ViT makes of a frame's n patches, row by row."""

    attention: Float32
    """(heads, n): what CLS attends to."""
    queries: Float32
    """(n, d)"""
    keys: Float32
    """(n, d)"""
    tokens: Float32
    """(n, d)"""


@dataclass(frozen=True, slots=True)
class Discovery:
    """How objects are found and followed."""

    objects: int = 3
    heads: Heads = "overlap"
    tracker: Literal["contrast", "dora"] = "contrast"
    sinkhorn: Rule = "coded"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Appearance:
    """What the objects of a scene look like."""

    prototypes: Float64
    """(k, d)"""
    surroundings: Float64
    """(b, d): what lies around them; (0, d) for `dora`."""
    center: Float64
    """(d,): mean of the keys of the scene's first frame, each of length 1; taken away from all keys by `contrast`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a frame answers: a patch belongs to the object whose map is largest there, where that exceeds `rest`."""

    maps: Float32
    """(k, n)"""
    rest: Float32
    """(n,)"""
    likeness: Float64
    """(k, n): how like each prototype a patch is, on a scale that is the same in all frames."""

    def owners(self) -> npt.NDArray[np.int64]:
        """To which object (n,) each patch belongs; -1: to none."""
        best = self.maps.argmax(axis=0)
        return np.where(self.maps.max(axis=0) > self.rest, best, -1)


def discover(facets: PatchFacets, how: Discovery) -> Appearance:
    """The objects that the heads see in a frame."""
    heads = choose_heads(facets.attention, how.objects, how.heads, seed=how.seed)
    chosen = facets.attention[heads]
    if how.tracker == "dora":
        refined, _ = refine(facets.tokens, pool(chosen, facets.queries), rule=how.sinkhorn)
        width = refined.shape[1]
        return Appearance(refined, np.zeros((0, width)), np.zeros(width))
    mean = facets.attention.mean(axis=0)
    center = unit(facets.keys).mean(axis=0)
    keys = _centered(facets.keys, center)
    around = keys[mean < mean.mean()]
    return Appearance(unit(pool(chosen, keys)), spread_groups(around if len(around) else keys, _GROUPS), center)


def answer(appearance: Appearance, facets: PatchFacets, how: Discovery) -> Answer:
    """How a frame answers to what a scene's objects look like."""
    if how.tracker == "dora":
        scale = float(np.sqrt(appearance.prototypes.shape[1]))
        maps = attend(appearance.prototypes, facets.keys, temperature=scale)
        relative = np.where(above_mean(maps), maps / maps.mean(axis=1, keepdims=True), 0)
        likeness = appearance.prototypes @ np.asarray(facets.keys, np.float64).T / scale
        return Answer(relative.astype(np.float32), np.ones(maps.shape[1], np.float32), likeness)
    keys = _centered(facets.keys, appearance.center)
    likeness = appearance.prototypes @ keys.T
    rest = (appearance.surroundings @ keys.T).max(axis=0)
    return Answer(likeness.astype(np.float32), rest.astype(np.float32), likeness)


def _centered(keys: npt.NDArray[np.floating], center: Float64) -> Float64:
    """Keys (n, d) of length 1, seen from the center, of length 1 again: their cosines tell parts of a scene apart."""
    return unit(unit(keys) - center)


def spread_groups(vectors: Float64, count: int) -> Float64:
    """Prototypes (b, d) of groups of unit vectors (n, d), by k-means on the sphere from points that lie far apart.

    b is `count`, or fewer where there are fewer vectors. The same vectors give the same groups: nothing is drawn.
    """
    first = unit(vectors.mean(axis=0))
    centers = [vectors[int((vectors @ first).argmax())]]
    while len(centers) < min(count, len(vectors)):
        nearest = (vectors @ np.array(centers).T).max(axis=1)
        centers.append(vectors[int(nearest.argmin())])
    groups = np.array(centers)
    for _ in range(_ROUNDS):
        nearest = (vectors @ groups.T).argmax(axis=1)
        groups = np.array(
            [
                unit(vectors[nearest == i].mean(axis=0)) if (nearest == i).any() else groups[i]
                for i in range(len(groups))
            ]
        )
    return groups

"""What the objects of a scene look like, learned from its first frame, and how any frame answers to it.

Two trackers. `dora` is DoRA's (see `prototypes`): prototypes are pooled from queries, refined among tokens and compared
with keys. Its training makes these three spaces one; in a network that was not trained so they have little to do with
each other. `contrast` stays among the tokens, and asks of every patch whether it is more like an object or more like
what no head looks at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from segpipe.ops.tracking.prototypes import Heads, above_mean, attend, choose_heads, merge_alike, pool, refine, unit
from segpipe.ops.tracking.sinkhorn import Rule

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_AROUND = 0.5  # share of the patches, those least attended to, that are taken for surroundings


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
    merge: float = 0.1
    """Of `contrast`: heads see one object where their distance is below this share of that to the surroundings."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """What the objects of a scene look like."""

    prototypes: Float64
    """(k, d)"""
    surroundings: Float64
    """(d,): what lies around them; 0 for `dora`, which does not ask."""


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
        if not len(self.maps):
            return np.full(self.rest.shape, -1, np.int64)
        best = self.maps.argmax(axis=0)
        return np.where(self.maps.max(axis=0) > self.rest, best, -1)


def discover(facets: PatchFacets, how: Discovery) -> Appearance:
    """The objects that the heads see in a frame."""
    heads = choose_heads(facets.attention, how.objects, how.heads, seed=how.seed)
    chosen = facets.attention[heads]
    if how.tracker == "dora":
        refined, _ = refine(facets.tokens, pool(chosen, facets.queries), rule=how.sinkhorn)
        return Appearance(refined, np.zeros(refined.shape[1]))
    tokens, mean = unit(facets.tokens), facets.attention.mean(axis=0)
    around = unit(tokens[mean <= np.quantile(mean, _AROUND)].mean(axis=0))
    return Appearance(merge_alike(chosen, tokens, around, share=how.merge), around)


def answer(appearance: Appearance, facets: PatchFacets, how: Discovery) -> Answer:
    """How a frame answers to what a scene's objects look like."""
    if how.tracker == "dora":
        scale = float(np.sqrt(appearance.prototypes.shape[1]))
        maps = attend(appearance.prototypes, facets.keys, temperature=scale)
        relative = np.where(above_mean(maps), maps / maps.mean(axis=1, keepdims=True), 0)
        likeness = appearance.prototypes @ np.asarray(facets.keys, np.float64).T / scale
        return Answer(relative.astype(np.float32), np.ones(maps.shape[1], np.float32), likeness)
    tokens = unit(facets.tokens)
    likeness = appearance.prototypes @ tokens.T
    rest = tokens @ appearance.surroundings
    return Answer(likeness.astype(np.float32), rest.astype(np.float32), likeness)

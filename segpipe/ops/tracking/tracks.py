"""Tracks through a film: begun with a scene, lost and found again by what they look like, ended where it is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from segpipe.ops.tracking.appearance import Answer, Appearance, Discovery, PatchFacets, answer, discover
from segpipe.ops.tracking.prototypes import cosines

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Following:
    """When a track counts as seen."""

    keep: float = 0.4
    """Least score of a track that is seen; see `Sighting.score`."""
    rejoin: float = 0.0
    """Least cosine by which an object of a new scene is an earlier track; 0: every scene begins new tracks."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The tracks of the scene at hand."""

    number: int
    tracks: tuple[int, ...]
    """Numbers from 1, in the order of the prototypes."""
    look: Appearance
    inside: Float64
    """(k,): mean likeness of a track's own patches in the scene's first frame."""
    outside: Float64
    """(k,): of all its other patches."""


@dataclass(frozen=True, slots=True)
class Memory:
    """All that the frames so far leave behind: the next one needs nothing else."""

    scene: Scene | None = None
    scenes: int = 0
    begun: int = 0
    """How many tracks there were."""
    earlier: dict[int, Float64] = field(default_factory=dict)
    """Of tracks that ended, what they looked like (d,); kept only where tracks may be joined again."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A track in a frame."""

    track: int
    score: float
    """1: as like its prototype as in the scene's first frame, 0: no more than its surroundings were there."""
    seen: bool


@dataclass(frozen=True, slots=True)
class TrackedFrame:
    """A frame's tracks. A pixel belongs to the track whose map is largest there, where that exceeds `rest`."""

    scene: int
    sightings: tuple[Sighting, ...]
    maps: Float32
    """(seen, n), of the tracks that are seen, in their order."""
    rest: Float32
    """(n,)"""


def step(
    memory: Memory, facets: PatchFacets, how: Discovery, rules: Following, *, cut: bool
) -> tuple[Memory, TrackedFrame]:
    """The tracks of the next frame.

    Args:
        memory: of the frames so far; `Memory()` before the first.
        facets: of the frame.
        how: objects are found.
        rules: by which tracks are seen and joined.
        cut: whether a scene begins with this frame.
    """
    if cut or memory.scene is None:
        memory = begin_scene(memory, facets, how, rules)
    scene = memory.scene
    assert scene is not None
    found = answer(scene.look, facets, how)
    scores = relative_likeness(found, scene.inside, scene.outside)
    sightings = tuple(
        Sighting(track, float(score), bool(score >= rules.keep))
        for track, score in zip(scene.tracks, scores, strict=True)
    )
    seen = [i for i, sighting in enumerate(sightings) if sighting.seen]
    return memory, TrackedFrame(scene.number, sightings, found.maps[seen], found.rest)


def begin_scene(memory: Memory, facets: PatchFacets, how: Discovery, rules: Following) -> Memory:
    """End the tracks of a scene and begin those of the next.

    What owns no patch is no object, nor what is less like its own patches than like others.
    """
    earlier = dict(memory.earlier)
    if memory.scene is not None and rules.rejoin:
        earlier |= dict(zip(memory.scene.tracks, memory.scene.look.prototypes, strict=True))
    look = discover(facets, how)
    while True:
        found = answer(look, facets, how)
        inside, outside = _levels(found)
        objects = inside > outside
        if objects.all():
            break
        look = replace(look, prototypes=look.prototypes[objects])  # others may own their patches now
    joined = join(look.prototypes, earlier, least=rules.rejoin) if rules.rejoin else {}
    numbers, begun = [], memory.begun
    for i in range(len(look.prototypes)):
        if i not in joined:
            begun += 1
        numbers.append(joined.get(i, begun))
    scene = Scene(memory.scenes + 1, tuple(numbers), look, inside, outside)
    return Memory(scene, memory.scenes + 1, begun, earlier)


def join(prototypes: Float64, earlier: dict[int, Float64], *, least: float) -> dict[int, int]:
    """Which objects (by row) are which earlier tracks: pairs in falling order of their cosine, each taken once.

    Args:
        prototypes: (k, d).
        earlier: from numbers of tracks to what they looked like (d,).
        least: cosine of a pair.
    """
    if not earlier or not len(prototypes):
        return {}
    tracks = list(earlier)
    alike = cosines(prototypes, np.array([earlier[track] for track in tracks]))
    found: dict[int, int] = {}
    for place in np.argsort(-alike, axis=None, kind="stable"):
        row, column = divmod(int(place), len(tracks))
        if alike[row, column] < least:
            break
        if row not in found and tracks[column] not in found.values():
            found[row] = tracks[column]
    return found


def relative_likeness(found: Answer, inside: Float64, outside: Float64) -> Float64:
    """Scores (k,) of `Sighting`, over the patches that a track owns; 0 where it owns none, and never below."""
    owners = found.owners()
    own = _mean_where(found.likeness, [owners == i for i in range(len(inside))])
    return np.maximum((own - outside) / np.maximum(inside - outside, 1e-6), 0.0)


def _levels(found: Answer) -> tuple[Float64, Float64]:
    """Mean likeness (k,) to each prototype inside and outside of what it owns."""
    owners = found.owners()
    masks = [owners == i for i in range(len(found.maps))]
    inside = _mean_where(found.likeness, masks)
    outside = _mean_where(found.likeness, [~mask for mask in masks])
    return inside, np.where(np.isfinite(outside), outside, inside - 1)


def _mean_where(values: Float64, masks: Sequence[npt.NDArray[np.bool_]]) -> Float64:
    """The mean of each row of values (k, n) over its mask; minus infinity over an empty one."""
    return np.array([row[mask].mean() if mask.any() else -np.inf for row, mask in zip(values, masks, strict=True)])

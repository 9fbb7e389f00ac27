"""Everything that is measured of one picture: it is disturbed, seen again, and what was seen is compared."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from segpipe.commands.probe import metrics as ops
from segpipe.commands.probe import places
from segpipe.commands.probe.metrics import Pair, mean_of
from segpipe.commands.probe.names import (
    AGAIN,
    ALL_ROLLS,
    ANOTHER,
    BESIDE,
    CENTER,
    CENTER_INNER,
    CHANGE,
    CORNERS,
    CORRELATION,
    CROP,
    DISTANCE,
    DRAWN,
    FOUND,
    GAIN,
    HALF_BLUR,
    LEFT,
    OVERLAP,
    PATCH,
    PATCH_INNER,
    PICTURE,
    ROLL,
    SHARP,
    in_strip,
)
from segpipe.inference.backbone_view import Seer, Sight
from segpipe.ops.corruptions.registry import disturb, generator
from segpipe.records.corruption import Disturbance, Disturbed

Rgb = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

MEASURES = ("center", "focus", "artefacts", "agreement")
"""What can be asked for."""

BLUR = "blur"
"""The disturbance by which halves lose their focus."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a number is of."""

    disturbance: str
    level: float
    measure: str


Numbers = Mapping[Key, Pair]


@dataclass(frozen=True, slots=True)
class Means:
    """What all pictures together look like undisturbed."""

    patch: Float32
    """(d,) mean feature."""
    picture: Float32
    """(d',) mean vector of a picture."""
    pictures: Float32
    """(n, d') of length 1: every picture's vector seen from the mean."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked of every picture."""

    seer: Seer
    side: int
    """Of a picture, in patches; a multiple of four."""
    measures: tuple[str, ...]
    disturbances: tuple[Disturbance, ...]
    """In the order in which they are shown."""
    seed: int

    @property
    def artefacts(self) -> tuple[Disturbance, ...]:
        """Those that are put into a strip, to be cropped away."""
        return tuple(each for each in self.disturbances if each.family == "artefact")

    @property
    def blur(self) -> Disturbance | None:
        """The one that takes the focus off a half."""
        return next((each for each in self.disturbances if each.name == BLUR), None)


def count_views(probe: Probe) -> int:
    """How many pictures the backbone sees for each one that is probed."""
    levels = sum(len(each.levels) for each in probe.disturbances)
    per = {
        "center": places.STEPS**2 - 1,
        "focus": 4 * len(probe.blur.levels) if probe.blur else 0,
        "artefacts": 1 + sum(len(each.levels) for each in probe.artefacts) if probe.artefacts else 0,
        "agreement": 1 + levels,
    }
    return 1 + sum(per[name] for name in probe.measures)


@dataclass(slots=True)
class Probed:
    """What was found of one picture."""

    numbers: dict[Key, Pair] = field(default_factory=dict)
    by_place: Float64 | None = None
    """(side, side) of `places.by_place`, where the center was asked for."""

    def note(self, disturbance: str, level: float, measure: str, pair: Pair | float) -> None:
        """Keep a number."""
        self.numbers[Key(disturbance, level, measure)] = mean_of(pair) if isinstance(pair, float) else pair


def probe_picture(rgb: Rgb, other: Rgb | None, index: int, row: int, probe: Probe, means: Means) -> Probed:
    """All numbers of one picture.

    Args:
        rgb: (side * patch, side * patch, 3).
        other: another picture, which says what chance gives; None where there is none.
        index: the picture's place in its listing: from it and the seed comes all that is left to chance.
        row: its place in `means.pictures`.
        probe: what is asked.
        means: of all pictures.
    """
    found = Probed()
    (before,) = probe.seer.see([rgb])
    if "center" in probe.measures:
        _center(rgb, before, probe, means, found)
    if "focus" in probe.measures and probe.blur is not None:
        _focus(rgb, index, probe, probe.blur, found)
    if "artefacts" in probe.measures and probe.artefacts:
        _artefacts(rgb, before, index, probe, found)
    if "agreement" in probe.measures:
        if other is not None:
            (another,) = probe.seer.see([other])
            for measure, value in _agreement(before, another, Disturbed(rgb), row, probe, means).items():
                found.note(ANOTHER, 0, measure, value)
        for each in probe.disturbances:
            made = [disturb(each, rgb, level, seed=probe.seed, image=index) for level in each.levels]
            for strength, one, after in zip(each.levels, made, probe.seer.see([one.rgb for one in made]), strict=True):
                for measure, value in _agreement(before, after, one, row, probe, means).items():
                    found.note(each.name, strength, measure, value)
    return found


def _center(rgb: Rgb, before: Sight, probe: Probe, means: Means, found: Probed) -> None:
    side, patch = probe.side, probe.seer.patch
    moved = places.rolls(side)
    content, whole = places.inner(side), ops.directions(before.patches, means.patch)
    maps: list[Float32] = [before.map]
    central, at = places.central(side), places.locate(None, side, patch)[0]
    found.note(ROLL, 0, CENTER, places.region_share([before.map], moved[:1], central))
    each: dict[tuple[float, str], list[float]] = defaultdict(list)
    changes: dict[float, list[Pair]] = defaultdict(list)
    for roll, after in zip(
        moved[1:], probe.seer.see([places.roll_frame(rgb, roll, patch) for roll in moved[1:]]), strict=True
    ):
        far, back = places.reach(roll, side), places.roll_back(after.map, roll)
        features = ops.directions(places.roll_back(after.patches, roll), means.patch)
        maps.append(after.map)
        changes[far].append(ops.change(before.map, back))
        for measure, value in (
            (OVERLAP, ops.overlap(before.map, back)),
            (CORRELATION, ops.correlation(before.map, back)),
            (PATCH, ops.cosine(whole, features)),
            (PATCH_INNER, ops.cosine(whole, features, content)),
            (FOUND, ops.found(whole, features, at)),
            (
                PICTURE,
                float(ops.directions(before.vector, means.picture) @ ops.directions(after.vector, means.picture)),
            ),
            (CENTER, float(np.divide(*places.region_share([after.map], [roll], central)))),
        ):
            each[far, measure].append(value)
    for (far, measure), values in each.items():
        found.note(ROLL, far, measure, mean_of(values))
    for far, pairs in changes.items():
        found.note(ROLL, far, CHANGE, (sum(part for part, _ in pairs), sum(all_ for _, all_ in pairs)))
    found.note(ALL_ROLLS, len(moved), CENTER, places.region_share(maps, moved, central))
    found.note(ALL_ROLLS, len(moved), CENTER_INNER, places.region_share(maps, moved, central, content))
    found.note(ALL_ROLLS, len(moved), CORNERS, places.region_share(maps, moved, places.corners(side)))
    found.note(ALL_ROLLS, len(moved), DISTANCE, places.mean_distance(maps))
    found.by_place = places.by_place(maps)


def _focus(rgb: Rgb, index: int, probe: Probe, blur: Disturbance, found: Probed) -> None:
    """Each half in turn is blurred, left, right, upper and lower: the halves' own content and place cancel out."""
    halves = half_masks(rgb.shape[0])
    for level in blur.levels:
        soft = disturb(blur, rgb, level, seed=probe.seed, image=index).rgb
        sights = probe.seer.see([np.where(half[..., None], soft, rgb) for half in halves])
        sharp = [
            1 - float((ops.shares(s.map) * ops.covered(h, probe.seer.patch)).sum())
            for s, h in zip(sights, halves, strict=True)
        ]
        found.note(HALF_BLUR, level, SHARP, mean_of(sharp))


def half_masks(length: int) -> list[npt.NDArray[np.bool_]]:
    """The left, right, upper and lower half (length, length) of a square."""
    left = np.zeros((length, length), np.bool_)
    left[:, : length // 2] = True
    return [left, ~left, left.T, ~left.T]


def _artefacts(rgb: Rgb, before: Sight, index: int, probe: Probe, found: Probed) -> None:
    """Artefacts in a strip, the upper or lower quarter of the frame; the rest is compared with what it was."""
    patch, rows = probe.seer.patch, probe.side // 4
    upper = bool(np.random.default_rng([probe.seed, zlib.crc32(b"strip"), index]).integers(2))
    strip, rest = (slice(0, rows), slice(rows, None)) if upper else (slice(-rows, None), slice(0, -rows))
    pixels, remains = ((slice(*(n and n * patch for n in (part.start, part.stop)))) for part in (strip, rest))
    (cropped,) = probe.seer.see([np.ascontiguousarray(rgb[remains])])
    bound = ops.overlap(before.map[rest], cropped.map)
    found.note(CROP, 0.25, BESIDE, bound)
    for each in probe.artefacts:
        pictures, touched = [], []
        for level in each.levels:
            part = each.apply(np.ascontiguousarray(rgb[pixels]), level, generator(probe.seed, each.name, index))
            picture, mask = rgb.copy(), np.zeros(rgb.shape[:2], np.bool_)
            picture[pixels], mask[pixels] = part.rgb, True if part.touched is None else part.touched
            pictures.append(picture)
            touched.append(ops.covered(mask, patch))
        for level, after, cover in zip(each.levels, probe.seer.see(pictures), touched, strict=True):
            name, beside = in_strip(each.name), ops.overlap(before.map[rest], after.map[rest])
            found.note(name, level, DRAWN, ops.drawn(before.map, after.map, cover))
            found.note(name, level, BESIDE, beside)
            found.note(name, level, GAIN, bound - beside)
            found.note(name, level, LEFT, ops.drawn(before.map, after.map, _only(rest, before.map.shape)))


def _only(rows: slice, shape: Sequence[int]) -> Float64:
    mask = np.zeros(tuple(shape))
    mask[rows] = 1
    return mask


def _agreement(
    before: Sight, after: Sight, made: Disturbed, row: int, probe: Probe, means: Means
) -> dict[str, Pair | float]:
    """What of map and features stays, at the places that both pictures show and nothing was put onto."""
    patch = probe.seer.patch
    at, shown = places.locate(made.back, probe.side, patch)
    weights = shown.astype(np.float64)
    numbers: dict[str, Pair | float] = {}
    if made.touched is not None:
        touched = ops.covered(made.touched, patch)
        weights *= 1 - touched
        numbers[DRAWN] = ops.drawn(before.map, after.map, touched)
    vector = ops.directions(after.vector, means.picture)
    numbers[PICTURE] = float(means.pictures[row] @ vector)
    numbers[AGAIN] = float((means.pictures @ vector).argmax() == row)
    if (weights > 0).sum() < ops.FEW:
        return numbers
    moved = made.back is not None
    field = places.take(after.map, at) if moved else after.map
    own, theirs = (ops.directions(sight.patches, means.patch) for sight in (before, after))
    there = ops.directions(places.take(after.patches, at), means.patch) if moved else theirs
    numbers |= {
        OVERLAP: ops.overlap(before.map, field, weights),
        CORRELATION: ops.correlation(before.map, field, weights),
        CHANGE: ops.change(before.map, field, weights),
        PATCH: ops.cosine(own, there, weights),
        FOUND: ops.found(own, theirs, at, weights),
    }
    return numbers

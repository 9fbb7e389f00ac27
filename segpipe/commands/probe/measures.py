"""Everything that is measured of one image: it is corrupted, seen again, and both views are compared."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from segpipe.commands.probe import metrics, places
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
from segpipe.inference.backbone_view import BackboneView, PatchView
from segpipe.ops.corruptions.registry import corrupt, generator
from segpipe.records.corruption import CorruptedImage, Corruption

Rgb = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

BLUR = "blur"
"""The corruption by which halves lose their focus."""


@dataclass(frozen=True, slots=True, order=True)
class MeasureKey:
    """What a number is of."""

    corruption: str
    level: float
    measure: str


@dataclass(frozen=True, slots=True)
class DatasetMeans:
    """Means over all original images."""

    patch: Float32
    """(d,) mean feature."""
    picture: Float32
    """(d',) mean vector of an image."""
    pictures: Float32
    """(n, d') of length 1: every image's vector seen from the mean."""


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """What is asked of every image."""

    view: BackboneView
    side: int
    """Of an image, in patches; a multiple of four."""
    measures: tuple[str, ...]
    corruptions: tuple[Corruption, ...]
    """In the order in which they are shown."""
    seed: int

    @property
    def artefacts(self) -> tuple[Corruption, ...]:
        """Those that are put into a strip, to be cropped away."""
        return tuple(each for each in self.corruptions if each.family == "artefact")

    @property
    def blur(self) -> Corruption | None:
        """The one that takes the focus off a half."""
        return next((each for each in self.corruptions if each.name == BLUR), None)


def count_views(plan: ProbePlan) -> int:
    """How many images the backbone sees for each one that is probed."""
    levels = sum(len(each.levels) for each in plan.corruptions)
    per = {
        "center": places.STEPS**2 - 1,
        "focus": 4 * len(plan.blur.levels) if plan.blur else 0,
        "artefacts": 1 + sum(len(each.levels) for each in plan.artefacts) if plan.artefacts else 0,
        "agreement": 1 + levels,
    }
    return 1 + sum(per[name] for name in plan.measures)


@dataclass(slots=True)
class ImageMeasures:
    """What was found of one image."""

    numbers: dict[MeasureKey, Pair] = field(default_factory=dict)
    by_place: Float64 | None = None
    """(side, side) of `places.by_place`, where the center was asked for."""

    def add(self, corruption: str, level: float, measure: str, pair: Pair | float) -> None:
        """Keep a number."""
        self.numbers[MeasureKey(corruption, level, measure)] = mean_of(pair) if isinstance(pair, float) else pair


def measure_image(
    rgb: Rgb, other: Rgb | None, index: int, row: int, plan: ProbePlan, means: DatasetMeans
) -> ImageMeasures:
    """All numbers of one image.

    Args:
        rgb: (side * patch, side * patch, 3).
        other: another image, which says what chance gives; None where there is none.
        index: the image's place in its listing: from it and the seed comes all that is left to chance.
        row: its place in `means.images`.
        plan: what is asked.
        means: of all images.
    """
    found = ImageMeasures()
    (before,) = plan.view.patch_views([rgb])
    if "center" in plan.measures:
        _center(rgb, before, plan, means, found)
    if "focus" in plan.measures and plan.blur is not None:
        _focus(rgb, index, plan, plan.blur, found)
    if "artefacts" in plan.measures and plan.artefacts:
        _artefacts(rgb, before, index, plan, found)
    if "agreement" in plan.measures:
        if other is not None:
            (another,) = plan.view.patch_views([other])
            for measure, value in _agreement(before, another, CorruptedImage(rgb), row, plan, means).items():
                found.add(ANOTHER, 0, measure, value)
        for each in plan.corruptions:
            made = [corrupt(each, rgb, level, seed=plan.seed, image=index) for level in each.levels]
            views = plan.view.patch_views([one.rgb for one in made])
            for level, one, after in zip(each.levels, made, views, strict=True):
                for measure, value in _agreement(before, after, one, row, plan, means).items():
                    found.add(each.name, level, measure, value)
    return found


def _center(rgb: Rgb, before: PatchView, plan: ProbePlan, means: DatasetMeans, found: ImageMeasures) -> None:
    """The image is rolled to 16 places: where in the frame the maps lie whatever lies there, and what rolls change."""
    side, patch = plan.side, plan.view.patch
    moved = places.rolls(side)
    content, whole = places.inner(side), metrics.directions(before.patches, means.patch)
    vector = metrics.directions(before.vector, means.picture)
    maps: list[Float32] = [before.map]
    central, at = places.central(side), places.locate(None, side, patch)[0]
    found.add(ROLL, 0, CENTER, places.region_share([before.map], moved[:1], central))
    each: dict[tuple[float, str], list[float]] = defaultdict(list)
    changes: dict[float, list[Pair]] = defaultdict(list)
    views = plan.view.patch_views([places.roll_frame(rgb, roll, patch) for roll in moved[1:]])
    for roll, after in zip(moved[1:], views, strict=True):
        far, back = places.reach(roll, side), places.roll_back(after.map, roll)
        features = metrics.directions(places.roll_back(after.patches, roll), means.patch)
        maps.append(after.map)
        changes[far].append(metrics.change(before.map, back))
        for measure, value in (
            (OVERLAP, metrics.overlap(before.map, back)),
            (CORRELATION, metrics.correlation(before.map, back)),
            (PATCH, metrics.cosine(whole, features)),
            (PATCH_INNER, metrics.cosine(whole, features, content)),
            (FOUND, metrics.found_again(whole, features, at)),
            (PICTURE, float(vector @ metrics.directions(after.vector, means.picture))),
            (CENTER, float(np.divide(*places.region_share([after.map], [roll], central)))),
        ):
            each[far, measure].append(value)
    for (far, measure), values in each.items():
        found.add(ROLL, far, measure, mean_of(values))
    for far, pairs in changes.items():
        found.add(ROLL, far, CHANGE, (sum(part for part, _ in pairs), sum(all_ for _, all_ in pairs)))
    found.add(ALL_ROLLS, len(moved), CENTER, places.region_share(maps, moved, central))
    found.add(ALL_ROLLS, len(moved), CENTER_INNER, places.region_share(maps, moved, central, content))
    found.add(ALL_ROLLS, len(moved), CORNERS, places.region_share(maps, moved, places.corners(side)))
    found.add(ALL_ROLLS, len(moved), DISTANCE, places.mean_distance(maps))
    found.by_place = places.by_place(maps)


def _focus(rgb: Rgb, index: int, plan: ProbePlan, blur: Corruption, found: ImageMeasures) -> None:
    """Each half in turn is blurred, left, right, upper and lower: the halves' own content and place cancel out."""
    halves = half_masks(rgb.shape[0])
    for level in blur.levels:
        soft = corrupt(blur, rgb, level, seed=plan.seed, image=index).rgb
        views = plan.view.patch_views([np.where(half[..., None], soft, rgb) for half in halves])
        sharp = [
            1 - float((metrics.shares(s.map) * metrics.covered(h, plan.view.patch)).sum())
            for s, h in zip(views, halves, strict=True)
        ]
        found.add(HALF_BLUR, level, SHARP, mean_of(sharp))


def half_masks(length: int) -> list[npt.NDArray[np.bool_]]:
    """The left, right, upper and lower half (length, length) of a square."""
    left = np.zeros((length, length), np.bool_)
    left[:, : length // 2] = True
    return [left, ~left, left.T, ~left.T]


def _artefacts(rgb: Rgb, before: PatchView, index: int, plan: ProbePlan, found: ImageMeasures) -> None:
    """Artefacts in a strip, the upper or lower quarter of the frame; the rest is compared with what it was."""
    patch, rows = plan.view.patch, plan.side // 4
    upper = bool(np.random.default_rng([plan.seed, zlib.crc32(b"strip"), index]).integers(2))
    strip, rest = (slice(0, rows), slice(rows, None)) if upper else (slice(-rows, None), slice(0, -rows))
    pixels, remains = ((slice(*(n and n * patch for n in (part.start, part.stop)))) for part in (strip, rest))
    (cropped,) = plan.view.patch_views([np.ascontiguousarray(rgb[remains])])
    bound = metrics.overlap(before.map[rest], cropped.map)
    found.add(CROP, 0.25, BESIDE, bound)
    for each in plan.artefacts:
        pictures, touched = [], []
        for level in each.levels:
            part = each.apply(np.ascontiguousarray(rgb[pixels]), level, generator(plan.seed, each.name, index))
            picture, mask = rgb.copy(), np.zeros(rgb.shape[:2], np.bool_)
            picture[pixels], mask[pixels] = part.rgb, True if part.touched is None else part.touched
            pictures.append(picture)
            touched.append(metrics.covered(mask, patch))
        for level, after, cover in zip(each.levels, plan.view.patch_views(pictures), touched, strict=True):
            name, beside = in_strip(each.name), metrics.overlap(before.map[rest], after.map[rest])
            found.add(name, level, DRAWN, metrics.attraction(before.map, after.map, cover))
            found.add(name, level, BESIDE, beside)
            found.add(name, level, GAIN, bound - beside)
            found.add(name, level, LEFT, metrics.attraction(before.map, after.map, _only(rest, before.map.shape)))


def _only(rows: slice, shape: Sequence[int]) -> Float64:
    mask = np.zeros(tuple(shape))
    mask[rows] = 1
    return mask


def _agreement(
    before: PatchView, after: PatchView, made: CorruptedImage, row: int, plan: ProbePlan, means: DatasetMeans
) -> dict[str, Pair | float]:
    """What of map and features stays, at the places that both images show and nothing was put onto."""
    patch = plan.view.patch
    at, shown = places.locate(made.back, plan.side, patch)
    weights = shown.astype(np.float64)
    numbers: dict[str, Pair | float] = {}
    if made.touched is not None:
        touched = metrics.covered(made.touched, patch)
        weights *= 1 - touched
        numbers[DRAWN] = metrics.attraction(before.map, after.map, touched)
    vector = metrics.directions(after.vector, means.picture)
    numbers[PICTURE] = float(means.pictures[row] @ vector)
    numbers[AGAIN] = float((means.pictures @ vector).argmax() == row)
    if (weights > 0).sum() < metrics.FEW:
        return numbers
    moved = made.back is not None
    field = places.take(after.map, at) if moved else after.map
    own, theirs = (metrics.directions(each.patches, means.patch) for each in (before, after))
    there = metrics.directions(places.take(after.patches, at), means.patch) if moved else theirs
    numbers |= {
        OVERLAP: metrics.overlap(before.map, field, weights),
        CORRELATION: metrics.correlation(before.map, field, weights),
        CHANGE: metrics.change(before.map, field, weights),
        PATCH: metrics.cosine(own, there, weights),
        FOUND: metrics.found_again(own, theirs, at, weights),
    }
    return numbers

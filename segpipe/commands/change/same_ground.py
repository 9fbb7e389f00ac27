"""Two class maps of the same ground, pixel by pixel: transitions, their area, and how sure each change is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size, tiles
from segpipe.base.runtime import Track
from segpipe.commands.change.alignment import box_of, seen_larger
from segpipe.commands.change.survey import SurveyDate
from segpipe.ops.change.ground_grid import GroundLink
from segpipe.ops.change.phase_shift import RasterShift
from segpipe.ops.change.transition import change_certainty, count_transitions, margin_of
from segpipe.ops.geodesy import pixel_area
from segpipe.ops.metrics.bootstrap import resample

_BLOCKS = 10  # along a side, where the ground is large enough
_LEAST, _MOST = 64, 1024  # pixels along the side of a block
_SHOWN = 900  # pixels of the longest side of the maps on the page
_SURE = 204  # of 255: four tolerances away from any border that would explain the change

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Put = Callable[[Box, Bytes], None]


@dataclass(frozen=True, slots=True)
class Ground:
    """What two images show of the same ground."""

    first: str
    """Id of the image of the first date."""
    second: str
    link: GroundLink
    shift: RasterShift | None
    """What coordinates left; None where it was not looked for, or not found."""
    box: Box
    """Of the first image: the common ground."""
    pixel: float | None
    """Square meters of a pixel of the first image."""
    larger: float = 1.0
    """See `seen_larger`."""
    blocks: list[Int64] = field(default_factory=list)
    """Transitions (classes, classes) of each block of ground that holds some."""
    certain: list[Int64] = field(default_factory=list)
    """Those of them that no border lying wrong by a few pixels explains."""
    shown: list[Bytes] = field(default_factory=list)
    """Small maps (h, w): class at the first date, at the second, certainty of the change."""

    @property
    def transitions(self) -> Int64:
        """(classes, classes) pixels by class at the first date (rows) and the second (columns)."""
        return np.asarray(np.sum(self.blocks, axis=0), np.int64)

    @property
    def certain_transitions(self) -> Int64:
        """Those of them that no border lying wrong by a few pixels explains."""
        return np.asarray(np.sum(self.certain, axis=0), np.int64)


@dataclass(frozen=True, slots=True)
class ChangedPart:
    """How much of the common ground is of another class."""

    share: float
    low: float
    """See `changed_part`."""
    high: float
    unchanged: float | None = None
    """The same share of ground that did not change, as of `compare_unchanged`; None where that was not made."""


def compare_ground(
    first: SurveyDate, second: SurveyDate, ground: Ground, put: Put, track: Track, *, tolerance: float
) -> None:
    """Read both class maps window by window; fills `ground` and hands over what a change map is made of.

    Memory: some windows of 1024 pixels and what lies around them.

    Args:
        first: the first date.
        second: the other date.
        ground: what is compared; blocks and small maps are added.
        put: takes a box of the common ground, counted from its corner, and (h, w, 3): class before, class after,
            certainty of the change; 255 where a date has no class.
        track: shows how far the work is.
        tolerance: pixels by which borders may lie wrong.
    """
    classes, box = first.legend.classes, ground.box
    block = min(_MOST, max(_LEAST, math.isqrt(box.height * box.width) // _BLOCKS))
    side = block * max(1, _MOST // block)
    windows = tiles(box.size, side)
    small = _SmallMaps(box.size)
    sums: dict[tuple[int, int], tuple[Int64, Int64]] = {}
    for window in track(windows, total=len(windows), unit="windows of ground"):
        maps = _read_window(first, second, ground, window, tolerance)
        put(window, maps)
        small.take(window, maps)
        for part in tiles(window.size, block):
            was, now, sure = np.moveaxis(maps[part.slices], -1, 0)
            all_pixels = count_transitions(was, now, classes)
            sure_pixels = count_transitions(np.where(sure >= _SURE, was, 255), now, classes)
            if all_pixels.any():
                sums[window.top + part.top, window.left + part.left] = all_pixels, sure_pixels
    ground.blocks.extend(counts for counts, _ in sums.values())
    ground.certain.extend(counts for _, counts in sums.values())
    ground.shown.extend(small.maps)


def _read_window(first: SurveyDate, second: SurveyDate, ground: Ground, window: Box, tolerance: float) -> Bytes:
    """(h, w, 3) of a window of the common ground: class before, class after, certainty."""
    image = first.corpus.images[first.place_of(ground.first)]
    own = Box(window.top + ground.box.top, window.left + ground.box.left, window.height, window.width)
    around = own.grown(margin_of(tolerance), image.size)
    was = _bytes(first.labels(first.place_of(ground.first), around), first.legend.nodata)
    now = _second_labels(second, second.place_of(ground.second), ground.link, around)
    sure = change_certainty(was, now, first.legend.classes, tolerance=tolerance)
    inner = own.within(around).slices
    return np.stack([was[inner], now[inner], sure[inner]], axis=-1)


def _second_labels(survey: SurveyDate, image: int, link: GroundLink, box: Box) -> Bytes:
    """The classes (h, w) of the second date at the pixels of a box of the first: those of the nearest pixel."""
    rows, cols = link.places(box)
    size = survey.corpus.images[image].size
    found = np.full(rows.shape, 255, np.uint8)
    outer = box_of(rows, cols, size, around=0)
    if outer is None:
        return found
    with np.errstate(invalid="ignore"):
        inside = (rows >= 0) & (rows < size.height) & (cols >= 0) & (cols < size.width)
    labels = _bytes(survey.labels(image, outer), survey.legend.nodata)
    found[inside] = labels[rows[inside].astype(np.int64) - outer.top, cols[inside].astype(np.int64) - outer.left]
    return found


def _bytes(labels: npt.NDArray[np.integer], nodata: int) -> Bytes:
    return np.where(labels == nodata, 255, labels).astype(np.uint8)


class _SmallMaps:
    """Maps of the whole ground for a page: every value is that of the pixel at its place."""

    def __init__(self, size: Size) -> None:
        small = size.fit(_SHOWN)
        self._rows, self._cols = (
            ((np.arange(out) + 0.5) * length / out).astype(np.int64)
            for out, length in ((small.height, size.height), (small.width, size.width))
        )
        self.maps = [np.full((small.height, small.width), 255, np.uint8) for _ in range(3)]

    def take(self, window: Box, values: Bytes) -> None:
        """Keep of a window (h, w, 3) what is shown."""
        rows = np.searchsorted(self._rows, (window.top, window.bottom))
        cols = np.searchsorted(self._cols, (window.left, window.right))
        picked = np.ix_(self._rows[slice(*rows)] - window.top, self._cols[slice(*cols)] - window.left)
        for place, each in enumerate(self.maps):
            each[slice(*rows), slice(*cols)] = values[..., place][picked]


def changed_part(
    grounds: Sequence[Ground],
    moves: npt.NDArray[np.float64] | None,
    *,
    draws: int,
    seed: int,
    unchanged: Sequence[Ground] = (),
) -> ChangedPart:
    """The share of the common ground that is of another class, and between what it lies.

    Maps are least sure along borders, and every border that lies otherwise at one date looks like change; light too
    turns one class into another, and so do other pixels where a class was undecided. So the lower end is the 2.5th
    percentile of the certain changes alone, less what the drift of features makes of the maps, or less the certain
    changes of ground that did not change, and the upper end the 97.5th of all changes, with blocks of ground drawn
    again, changed and unchanged ones by themselves.

    The two ends are of different quantities, one below and one above what is to be found, and the ground is seen whole:
    percentiles hold the truth of four blocks as well as of a hundred (`tools/change_trial.py`), and Student's t, which
    `cover` takes for images of other places, would make the part of few blocks twice as wide for nothing.

    Args:
        grounds: compared.
        moves: (classes, classes) shares of the first date by their class and by what the drift makes of it; None where
            it is not known.
        draws: how many samples.
        seed: of the draws.
        unchanged: ground of the first date compared with itself, as the second date saw it.
    """
    blocks, sure = _by_block(grounds)
    classes = len(grounds[0].blocks[0])
    other = ~np.eye(classes, dtype=bool).ravel()
    by_light = np.zeros(classes**2) if moves is None else moves.ravel()
    whole = float(blocks.sum(axis=0)[other].sum() / blocks.sum())
    lows, highs = [], []
    for times in (np.ones((1, len(blocks))), *resample(len(blocks), draws=draws, seed=seed, width=classes**2)):
        held = (times @ blocks.sum(axis=1))[:, None]
        lows.append(np.maximum(times @ sure / held - by_light, 0)[:, other].sum(axis=1))
        highs.append((times @ blocks / held)[:, other].sum(axis=1))
    low, high = np.concatenate(lows), np.concatenate(highs)
    same = None
    if unchanged:
        own, certain = _by_block(unchanged)
        same = float(own[:, other].sum() / own.sum())
        moved = certain[:, other].sum(axis=1)
        low = np.maximum(low - _drawn_shares(moved, own.sum(axis=1), draws=draws, seed=seed + 1), 0)
    return ChangedPart(whole, float(np.percentile(low, 2.5)), float(np.percentile(high, 97.5)), same)


def _by_block(grounds: Sequence[Ground]) -> tuple[Float64, Float64]:
    """(blocks, classes^2) square meters, or pixels, of all transitions and of the certain ones."""
    known = all(ground.pixel is not None for ground in grounds)
    all_moves, certain = (
        np.stack(
            [
                counts.ravel() * (ground.pixel or 1.0 if known else 1.0)
                for ground in grounds
                for counts in getattr(ground, name)
            ]
        )
        for name in ("blocks", "certain")
    )
    return all_moves, certain


def _drawn_shares(moved: Float64, held: Float64, *, draws: int, seed: int) -> Float64:
    """(1 + draws,) shares of what blocks hold (blocks,) that moved: of all of them, and of blocks drawn again."""
    drawn = [times @ moved / (times @ held) for times in resample(len(held), draws=draws, seed=seed)]
    return np.concatenate([[moved.sum() / held.sum()], *drawn])


def plan_ground(
    first: SurveyDate, second: SurveyDate, pair: tuple[int, int], link: GroundLink, shift: RasterShift | None
) -> Ground | None:
    """What two images share by a link; None where that is no pixel."""
    one, other = first.corpus.images[pair[0]], second.corpus.images[pair[1]]
    box = link.common(one.size, other.size)
    if box is None:
        return None
    area = None if one.geo is None else pixel_area(one.geo, one.size)
    return Ground(one.id, other.id, link, shift, box, area, seen_larger(first, second, pair, link, box))

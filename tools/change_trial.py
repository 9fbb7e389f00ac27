"""Does `segpipe change` say the truth? Drawn class maps at two dates with known change, a hundred times over.

Usage: python tools/change_trial.py [REPEATS]   default 100

Maps of the same ground: every border of both maps is bent by about a pixel, as a segmentation bends it. Photographs:
views of a larger ground, other ones at each date. Changes: a tenth of the coral bleached, sand moved over rubble, none.
The changed area is that of the whole ground and of corners of it, of four blocks and more.
What networks do to them is not in it: that is what the tests of the whole command see on a few.
"""

import sys
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box
from segpipe.commands.change.same_ground import Ground, changed_part
from segpipe.ops.change.cover_difference import CoverDifference, independent_difference, paired_difference
from segpipe.ops.change.ground_grid import GroundLink
from segpipe.ops.change.transition import change_certainty, count_transitions
from segpipe.ops.drawing.shapes import noise

Labels = npt.NDArray[np.uint8]
Change = Callable[[Labels, np.random.Generator], Labels]

SAND, CORAL, ALGAE, RUBBLE, DEAD = range(5)
CLASSES, SIDE, BLOCK = 5, 640, 64
NAMES = ("sand", "coral", "algae", "rubble", "dead coral")
VIEW, VIEWS, DRAWS = 160, (6, 12, 20, 40), 400
CORNERS = (128, 192, 320, SIDE)


def draw(rng: np.random.Generator) -> Labels:
    """Ground: sand with rubble, algae and colonies of coral."""
    fields = [noise(rng, SIDE, SIDE, cell, 2) for cell in (40, 60, 90)]
    labels = np.full((SIDE, SIDE), SAND, np.uint8)
    labels[fields[2] > 0.7], labels[fields[1] > 0.9], labels[fields[0] > 0.7] = RUBBLE, ALGAE, CORAL
    return labels


def bleach(labels: Labels, rng: np.random.Generator) -> Labels:
    """A tenth of the coral, whole colonies, is dead."""
    count, regions, stats, _ = cv2.connectedComponentsWithStats((labels == CORAL).astype(np.uint8))
    wanted, found, after = 0.1 * (labels == CORAL).sum(), 0, labels.copy()
    for k in rng.permutation(np.arange(1, count)):
        if found < wanted and stats[k, cv2.CC_STAT_AREA] < 0.5 * wanted:
            after[regions == k] = DEAD
            found += int(stats[k, cv2.CC_STAT_AREA])
    return after


def move_sand(labels: Labels, rng: np.random.Generator) -> Labels:
    """Sand over some of the rubble."""
    after = labels.copy()
    after[(labels == RUBBLE) & (noise(rng, SIDE, SIDE, 120, 2) > 0.6)] = SAND
    return after


def bent(labels: Labels, rng: np.random.Generator) -> Labels:
    """The map with its borders bent."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    away = [1.0 * noise(rng, SIDE, SIDE, 12, 2) for _ in range(2)]
    found = cv2.remap(labels, x + away[0], y + away[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(found, np.uint8)


def ground_of(first: Labels, second: Labels) -> Ground:
    """The two maps, compared."""
    side = len(first)
    ground = Ground("a", "b", GroundLink(None, None), None, Box(0, 0, side, side), None)
    sure = change_certainty(first, second, CLASSES, tolerance=2.0)
    for top in range(0, side, BLOCK):
        for left in range(0, side, BLOCK):
            part = slice(top, top + BLOCK), slice(left, left + BLOCK)
            ground.blocks.append(count_transitions(first[part], second[part], CLASSES))
            ground.certain.append(
                count_transitions(np.where(sure[part] >= 204, first[part], 255), second[part], CLASSES)
            )
    return ground


def photograph(labels: Labels, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Pixels (views, classes) of views of the ground."""
    rows = []
    for top, left in rng.integers(0, SIDE - VIEW, (max(VIEWS), 2)):
        rows.append(np.bincount(labels[top : top + VIEW, left : left + VIEW].ravel(), minlength=CLASSES))
    return np.array(rows, np.float64)


def shares(labels: Labels, weights: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
    """Shares (classes,) of a map, every pixel by its weight."""
    weights = np.ones(labels.shape) if weights is None else weights
    return np.asarray(np.bincount(labels.ravel(), weights.ravel(), minlength=CLASSES) / weights.sum())


def looked_at() -> npt.NDArray[np.float64]:
    """How often views show each pixel: those at the edge are shown less."""
    place = np.arange(SIDE)
    along = np.minimum.reduce([place + 1, SIDE - place, np.full(SIDE, VIEW)]).astype(np.float64)
    return np.outer(along, along)


class Tally:
    """How often the truth lay in the interval of each class, and how often any class was called."""

    def __init__(self) -> None:
        self.held, self.given, self.called, self.count = np.zeros(CLASSES), np.zeros(CLASSES), 0, 0

    def take(self, found: CoverDifference, truth: npt.NDArray[np.float64]) -> None:
        """One repetition more."""
        self.held += (found.low <= truth) & (truth <= found.high)
        self.given += np.isfinite(found.low)
        self.called += bool(found.sure.any())
        self.count += 1

    def line(self) -> str:
        """Of 100 intervals of each class, and of 100 repetitions; a class that no photograph shows has no interval."""
        parts = zip(self.held, self.given, strict=True)
        each = "".join(f"{100 * held / given:8.1f}" if given else f"{'-':>8}" for held, given in parts)
        return f"{each}{100 * self.called / self.count:9.1f}"


def repeat(seed: int, name: str, change: Change, tallies: dict[str, Tally]) -> list[bool]:
    """One repetition; whether the changed area of each of `CORNERS` lay in its interval."""
    rng = np.random.default_rng((seed, len(name)))
    before = draw(rng)
    after = change(before, rng)
    maps = bent(before, rng), bent(after, rng)
    held = []
    for side in CORNERS:
        ground = ground_of(*(labels[:side, :side] for labels in maps))
        part = changed_part([ground], None, draws=DRAWS, seed=seed)
        held.append(bool(part.low <= float((before != after)[:side, :side].mean()) <= part.high))
    counts = np.array(ground.blocks, np.float64)  # of the whole
    found = paired_difference(counts.sum(axis=2), counts.sum(axis=1), draws=DRAWS, seed=seed)
    tallies["maps"].take(found, shares(after) - shares(before))
    views = [photograph(bent(labels, rng), rng) for labels in (before, after)]
    weights = looked_at()
    shown = shares(after, weights) - shares(before, weights)
    for few in VIEWS:
        apart = independent_difference(views[0][:few], views[1][:few], draws=DRAWS, seed=seed)
        tallies[f"{few} photographs"].take(apart, shown)
    return held


def main() -> None:
    """Repeat, and print how often the truth lies in the intervals, and how often something is called that is not."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(f"of 100: held of {', '.join(NAMES)}; any called")
    for name, change in (("coral bleached", bleach), ("sand moved", move_sand), ("none", lambda labels, rng: labels)):
        tallies = {what: Tally() for what in ("maps", *(f"{few} photographs" for few in VIEWS))}
        area = [repeat(seed, name, change, tallies) for seed in range(repeats)]
        for side, held in zip(CORNERS, np.mean(area, axis=0), strict=True):
            print(f"{name:15} {f'area {side} x {side}':15}{100 * held:8.1f}")
        for what, tally in tallies.items():
            print(f"{name:15} {what:15}{tally.line()}", flush=True)


if __name__ == "__main__":
    main()

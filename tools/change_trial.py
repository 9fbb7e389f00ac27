"""Does `segpipe change` say the truth? Drawn class maps at two dates with known change, a hundred times over.

Usage: python tools/change_trial.py [REPEATS]   default 100

Maps of the same ground: every border of both maps is bent by about a pixel, as a segmentation bends it. Photographs:
views of a larger ground, other ones at each date. Changes: a tenth of the coral bleached, sand moved over rubble, none.
What networks do to them is not in it: that is what the tests of the whole command see on a few.
"""

import sys

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box
from segpipe.commands.change.same_ground import Ground, changed_part
from segpipe.ops.change.cover_difference import independent_difference, paired_difference
from segpipe.ops.change.ground_grid import GroundLink
from segpipe.ops.change.transition import change_certainty, count_transitions
from segpipe.ops.drawing.shapes import noise

Labels = npt.NDArray[np.uint8]

SAND, CORAL, ALGAE, RUBBLE, DEAD = range(5)
CLASSES, SIDE, BLOCK = 5, 640, 64
VIEW, VIEWS, DRAWS = 160, 40, 400


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
    ground = Ground("a", "b", GroundLink(None, None), None, Box(0, 0, SIDE, SIDE), None)
    sure = change_certainty(first, second, CLASSES, tolerance=2.0)
    for top in range(0, SIDE, BLOCK):
        for left in range(0, SIDE, BLOCK):
            part = slice(top, top + BLOCK), slice(left, left + BLOCK)
            ground.blocks.append(count_transitions(first[part], second[part], CLASSES))
            ground.certain.append(
                count_transitions(np.where(sure[part] >= 204, first[part], 255), second[part], CLASSES)
            )
    return ground


def photograph(labels: Labels, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Pixels (views, classes) of views of the ground."""
    rows = []
    for top, left in rng.integers(0, SIDE - VIEW, (VIEWS, 2)):
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


def main() -> None:
    """Repeat, and print how often the truth lies in the intervals, and how often something is called that is not."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    weights = looked_at()
    print("change          held: area  classes of maps  of photographs   called: maps  photographs   (of 100)")
    for name, change in (("coral bleached", bleach), ("sand moved", move_sand), ("none", lambda labels, rng: labels)):
        area, maps, photos, called = 0, np.zeros(CLASSES), np.zeros(CLASSES), [0, 0]
        for seed in range(repeats):
            rng = np.random.default_rng((seed, len(name)))
            before = draw(rng)
            after = change(before, rng)
            true, share = shares(after) - shares(before), float((before != after).mean())
            ground = ground_of(bent(before, rng), bent(after, rng))
            part = changed_part([ground], None, draws=DRAWS, seed=seed)
            area += part.low <= share <= part.high
            counts = np.array(ground.blocks, np.float64)
            found = paired_difference(counts.sum(axis=2), counts.sum(axis=1), draws=DRAWS, seed=seed)
            maps += (found.low <= true) & (true <= found.high)
            called[0] += bool(found.sure.any())
            views = [photograph(bent(labels, rng), rng) for labels in (before, after)]
            apart = independent_difference(views[0], views[1], draws=DRAWS, seed=seed)
            shown = shares(after, weights) - shares(before, weights)
            photos += (apart.low <= shown) & (shown <= apart.high)
            called[1] += bool(apart.sure.any())
        scale = 100 / repeats
        held = [f"{values.mean():.1f} ({values.min():.0f})" for values in (scale * maps, scale * photos)]
        print(f"{name:15} {scale * area:11.0f} {held[0]:>16} {held[1]:>15}", *(f"{scale * n:13.0f}" for n in called))


if __name__ == "__main__":
    main()

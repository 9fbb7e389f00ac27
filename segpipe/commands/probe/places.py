"""Where in a frame a backbone looks, whatever lies there; and which places of two images belong together.

A frame is square and holds a multiple of four patches along its side. It is rolled by quarters of its side along both
axes with wrap-around: 16 rolls, in which every patch of content comes to 16 places spread evenly over the frame. Of
these 4 lie in the central quarter of the area (the middle half of rows and of columns), for every content. So a
backbone that looks at content alone, whatever it is, gives the central quarter exactly 1/4 of a map over all rolls;
what is more is a bias to the center, what is less one to the edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segpipe.commands.probe.metrics import Pair, shares

Float64 = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
Rgb = npt.NDArray[np.uint8]
Roll = tuple[int, int]
"""Rows and columns in patches by which content moves down and right."""

STEPS = 4
"""Rolls along each axis."""


def rolls(side: int) -> list[Roll]:
    """The 16 rolls of a frame of `side` x `side` patches; the first leaves it as it is.

    >>> rolls(8)[:5]
    [(0, 0), (0, 2), (0, 4), (0, 6), (2, 0)]
    """
    if side % STEPS:
        raise ValueError(f"a side of {side} patches is not a multiple of {STEPS}")
    along = [step * side // STEPS for step in range(STEPS)]
    return [(down, right) for down in along for right in along]


def reach(roll: Roll, side: int) -> float:
    """How far a roll moves the content at most along an axis, as a share of the side; 0.5 is the farthest.

    >>> [reach(roll, 8) for roll in ((0, 0), (0, 2), (6, 0), (4, 2))]
    [0.0, 0.25, 0.25, 0.5]
    """
    return max(min(step, side - step) for step in roll) / side


def roll_frame(rgb: Rgb, roll: Roll, patch: int) -> Rgb:
    """The image (H, W, 3) rolled by whole patches."""
    return np.roll(rgb, (roll[0] * patch, roll[1] * patch), axis=(0, 1))


def roll_back(field: npt.NDArray[np.float32], roll: Roll) -> npt.NDArray[np.float32]:
    """What was seen of every patch of a rolled frame (rows, cols, ...), at the places of the frame as it was."""
    return np.roll(field, (-roll[0], -roll[1]), axis=(0, 1))


def central(side: int) -> Float64:
    """How much of each patch (side, side) lies in the central quarter of the frame's area."""
    edges = np.arange(side + 1)
    inside = np.clip(edges, side / 4, 3 * side / 4)
    along = np.diff(inside)
    return np.outer(along, along)


def corners(side: int) -> Float64:
    """Which patches (side, side) lie in one of the four corners: together a quarter of the area, seen as evenly."""
    along = np.zeros(side)
    along[: side // STEPS] = along[side - side // STEPS :] = 1
    return np.outer(along, along)


def inner(side: int) -> Float64:
    """Content (side, side), 1 where it lies away from the seam: an eighth of the side, at least a patch, from the edge.

    Rolled, the image's own edges meet at a seam that was not there before. It always lies along the same content, so
    leaving that out keeps all other content balanced over the rolls.
    """
    rim = max(1, side // 8)
    kept = np.zeros((side, side))
    kept[rim : side - rim, rim : side - rim] = 1
    return kept


def region_share(maps: Sequence[Floats], moved: Sequence[Roll], region: Floats, content: Floats | None = None) -> Pair:
    """Share of a region of the frame over some rolls: (part of the maps that lies in it, all of the maps).

    Args:
        maps: (side, side) of each rolled frame, in the places of the frame, none negative; each counts as 1.
        moved: the rolls.
        region: (side, side), how much of each place belongs to it: `central` or `corners`.
        content: (side, side) of the frame before it was rolled; only this content counts.
    """
    part = whole = 0.0
    for values, roll in zip(maps, moved, strict=True):
        mass = shares(values)
        if content is not None:
            mass = mass * np.roll(content, roll, axis=(0, 1))
        part, whole = part + float((mass * region).sum()), whole + float(mass.sum())
    return part, whole


def by_place(maps: Sequence[Floats]) -> Float64:
    """How much is looked at each place of the frame (side, side), in multiples of an even map: the mean over all rolls.

    Over all 16 rolls content averages out up to its differences within a quarter of the side, over images these too.
    """
    return np.asarray(np.mean([shares(values) for values in maps], axis=0) * maps[0].size)


def distances(side: int) -> Float64:
    """Distance of each patch (side, side) from the middle of the frame, scaled so that their mean is 1.

    It is the mean over each of 4 x 4 blocks, because over all rolls every content comes to every block once.
    """
    along = np.arange(side) + 0.5 - side / 2
    step = side // STEPS
    blocks = np.hypot(along[:, None], along).reshape(STEPS, step, STEPS, step).mean(axis=(1, 3))
    return np.asarray((blocks / blocks.mean()).repeat(step, axis=0).repeat(step, axis=1))


def mean_distance(maps: Sequence[Floats]) -> float:
    """How far from the middle of the frame is looked, on average over all rolls.

    1 without a bias, whatever the content; less is a bias to the center. At most about 1.4, if only corners are seen.
    """
    far = distances(maps[0].shape[0])
    return float(np.mean([(shares(values) * far).sum() for values in maps]))


# --- places of two images -----------------------------------------------------------------------------------------


def locate(back: Floats | None, side: int, patch: int) -> tuple[Float64, Bools]:
    """Where the patches of a square image lie in its corrupted version, and which of them can be compared there.

    Those can that it shows as a whole, and of which nothing is read (`take`) from a patch that is partly black.

    Args:
        back: (3, 3) homography from pixel centers (x, y, 1) of the image, counted from 0, to those of the corrupted
            one; None where pixels stay in place.
        side: of both images, in patches.
        patch: pixels of its side.

    Returns:
        (side, side, 2) row and column of each patch's center on the corrupted image's grid of patches, 0 = center of
        the first patch; and (side, side), True where a patch can be compared.
    """
    rows, cols = np.mgrid[:side, :side].astype(np.float64)
    if back is None:
        return np.stack([rows, cols], axis=-1), np.ones((side, side), np.bool_)
    x, y, _ = _through(back, (cols + 0.5) * patch - 0.5, (rows + 0.5) * patch - 0.5)
    at = np.stack([(y + 0.5) / patch - 0.5, (x + 0.5) / patch - 0.5], axis=-1)
    filled = _whole(np.linalg.inv(back), side, patch).astype(np.float32)
    return at, _whole(back, side, patch) & (take(filled, at) > 0.999)


def _whole(way: Floats, side: int, patch: int) -> Bools:
    """Which patches (side, side) a homography brings into a square of the same size with all four corners."""
    rows, cols = np.mgrid[:side, :side].astype(np.float64)
    inside = np.ones((side, side), np.bool_)
    for down in (0, 1):
        for right in (0, 1):
            x, y, front = _through(way, (cols + right) * patch - 0.5, (rows + down) * patch - 0.5)
            inside &= front & (np.minimum(x, y) >= -0.51) & (np.maximum(x, y) <= side * patch - 0.49)
    return inside


def _through(back: Floats, x: Float64, y: Float64) -> tuple[Float64, Float64, Bools]:
    u, v, w = (row[0] * x + row[1] * y + row[2] for row in np.asarray(back, np.float64))
    front = w * np.sign(back[2, 2] or 1) > 1e-9
    w = np.where(front, w, 1.0)
    return u / w, v / w, front


def take(field: npt.NDArray[np.float32], at: Float64) -> npt.NDArray[np.float32]:
    """What a field (rows, cols, ...) holds at places (..., 2) on its grid: bilinear, beyond the edge as at the edge."""
    row, col = (np.clip(at[..., i], 0, field.shape[i] - 1) for i in (0, 1))
    top, left = (np.floor(x).astype(np.intp) for x in (row, col))
    below, right = np.minimum(top + 1, field.shape[0] - 1), np.minimum(left + 1, field.shape[1] - 1)
    extra = (1,) * (field.ndim - 2)
    v, u = ((x - whole).astype(np.float32).reshape(*x.shape, *extra) for x, whole in ((row, top), (col, left)))
    upper = field[top, left] * (1 - u) + field[top, right] * u
    lower = field[below, left] * (1 - u) + field[below, right] * u
    return np.asarray(upper * (1 - v) + lower * v)

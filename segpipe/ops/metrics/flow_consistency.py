"""Flow consistency: which share of the pixels keep their class where they move, told without labels.

Each pixel of a frame is followed to the next by optical flow (DIS: Kroeger et al., ECCV 2016); those count whose flow
there and back agree (Sundaram et al., ECCV 2010). One class everywhere keeps all of them, so a share means something
beside what the same class maps keep by chance: with the class map of another time in the place of the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]
Map = npt.NDArray[np.integer]

_SHARE, _LEAST = 0.01, 0.5  # of the squared lengths, and squared pixels: how far flow there and back may be apart
_SMALLEST = 16  # pixels along a side that DIS takes


@dataclass(frozen=True, slots=True)
class Kept:
    """Pixels of one pair of frames, or of several together."""

    pixels: int = 0
    """That have a class in all maps compared, and whose flow can be trusted."""
    all: int = 0
    """That have a class in the first frame."""
    moved: float = 0.0
    """Sum of the lengths of their flow, pixels."""
    along: int = 0
    """That have the same class where they went."""
    still: int = 0
    """That have the same class where they were."""
    chance: int = 0
    """That have the same class where they went, in the class map of another time."""

    def __add__(self, other: Kept) -> Kept:
        return Kept(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class FlowScore:
    """Shares from 0 to 1; None where there was nothing to compare."""

    kept: float | None
    """Of the pixels that were followed: the same class where they went."""
    still: float | None
    """The same class where they were: with no regard to the flow."""
    chance: float | None
    """The same class where they went, in the class map of another time."""
    above_chance: float | None
    """(kept - chance) / (1 - chance): 1 where all keep their class, 0 for one class everywhere or at random."""
    followed: float | None
    """Of the pixels with a class: whose flow can be trusted."""
    motion: float | None
    """Mean length of the flow, pixels."""
    constant: float = 1.0
    """What one class everywhere would keep."""


def optical_flow(one: Rgb, other: Rgb) -> Flow:
    """Flow from one picture to another (height, width, 3): (height, width, 2), pixels to the right and down.

    Zero for pictures of less than 16 pixels along a side.

    Raises:
        ValueError: they differ in size.
    """
    if one.shape != other.shape:
        raise ValueError(f"pictures differ in size: {one.shape} and {other.shape}")
    if min(one.shape[:2]) < _SMALLEST:
        return np.zeros((*one.shape[:2], 2), np.float32)
    grays = [cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY) for rgb in (one, other)]
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    return np.asarray(dis.calc(*grays, None), np.float32)


def trusted(forward: Flow, backward: Flow) -> npt.NDArray[np.bool_]:
    """Pixels (height, width) that flow there and back brings home, and that stay in the picture."""
    rows, columns, inside = targets(forward)
    back = backward[rows, columns]
    apart = np.square(forward + back).sum(axis=-1)
    size = np.square(forward).sum(axis=-1) + np.square(back).sum(axis=-1)
    return np.asarray(inside & (apart < _SHARE * size + _LEAST))


def targets(flow: Flow) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Row and column (height, width) of the pixel where each one goes, kept inside, and whether it does go inside."""
    height, width = flow.shape[:2]
    rows = np.rint(np.arange(height)[:, None] + flow[..., 1]).astype(np.int64)
    columns = np.rint(np.arange(width)[None] + flow[..., 0]).astype(np.int64)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1), inside


def count_kept(flow: Flow, sure: npt.NDArray[np.bool_], one: Map, other: Map, elsewhen: Map, *, nodata: int) -> Kept:
    """Count pixels of a frame that keep their class.

    Args:
        flow: (height, width, 2) to the next frame.
        sure: (height, width) whose flow can be trusted.
        one: (height, width) classes of the frame.
        other: those of the next frame.
        elsewhen: those of a frame of another time.
        nodata: stands for no class; such pixels are not compared.
    """
    rows, columns, _ = targets(flow)
    there, by_chance = other[rows, columns], elsewhen[rows, columns]
    held = one != nodata
    taken = held & sure & (there != nodata) & (other != nodata) & (by_chance != nodata)
    return Kept(
        pixels=int(taken.sum()),
        all=int(held.sum()),
        moved=float(np.hypot(flow[..., 0], flow[..., 1])[taken].sum(dtype=np.float64)),
        along=int((one == there)[taken].sum()),
        still=int((one == other)[taken].sum()),
        chance=int((one == by_chance)[taken].sum()),
    )


def score_kept(found: Kept) -> FlowScore:
    """The shares of what was counted."""
    if not found.pixels:
        return FlowScore(None, None, None, None, 0.0 if found.all else None, None)
    kept, still, chance = (count / found.pixels for count in (found.along, found.still, found.chance))
    above = (kept - chance) / (1 - chance) if chance < 1 else 0.0
    return FlowScore(kept, still, chance, above, found.pixels / found.all, found.moved / found.pixels)

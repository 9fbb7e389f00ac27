"""Things in front: blocks that hide, and clutter that draws the eye. Both cover a stated share of the image."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.ops.corruptions.common import paste, to_bytes
from segpipe.records.corruption import CorruptedImage, Rgb

_BLOCKS = 12  # blocks along the longest side
_MOST = 500  # things put onto an image
_CORNERS = 48  # of a thing's outline


def occlude(rgb: Rgb, share: float, rng: np.random.Generator) -> CorruptedImage:
    """Blocks of flat color, a twelfth of the long side wide, until they cover this share of the image."""
    height, width = rgb.shape[:2]
    side = max(1, math.ceil(max(height, width) / _BLOCKS))
    down, right = (int(rng.integers(side)) for _ in range(2))
    rows, cols = (np.arange(height) + down) // side, (np.arange(width) + right) // side
    block = rows[:, None] * (cols[-1] + 1) + cols
    order = rng.permutation(np.unique(block))
    colors = rng.integers(0, 256, (block.max() + 1, 3), np.uint8)
    areas = np.bincount(block.ravel(), minlength=block.max() + 1)[order]
    needed = int(np.searchsorted(np.cumsum(areas), share * block.size)) + 1
    return paste(rgb, np.where(np.isin(block, order[:needed]), 255, 0).astype(np.uint8), colors[block])


def clutter(rgb: Rgb, share: float, rng: np.random.Generator) -> CorruptedImage:
    """Pieces of stripes and grain in any two colors, with wavy outlines, until they cover this share of the image."""
    height, width = rgb.shape[:2]
    covered, color = np.zeros((height, width), np.uint8), np.zeros_like(rgb)
    for _ in range(_MOST):
        shape = np.zeros_like(covered)
        cv2.fillPoly(shape, [_outline(rng, height, width)], 255)
        x, y, wide, high = cv2.boundingRect(shape)
        texture = _texture(rng, max(high, 1), max(wide, 1), max(height, width))
        part = shape[y : y + high, x : x + wide] > 0
        color[y : y + high, x : x + wide][part] = texture[: part.shape[0], : part.shape[1]][part]
        covered |= shape
        if np.count_nonzero(covered) >= share * covered.size:
            break
    return paste(rgb, covered, color)


def _outline(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.int32]:
    """Corners (n, 2) of a wavy round thing somewhere in the image."""
    angle = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)
    radius = max(height, width) * rng.uniform(0.03, 0.09)
    waves = np.zeros(_CORNERS)
    for k in (2, 3, 5):
        waves += rng.uniform(0, 0.3) * np.cos(k * angle + rng.uniform(0, 2 * math.pi))
    center = rng.uniform(0, 1, 2) * (width - 1, height - 1)
    path = center + (radius * (1 + waves))[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(np.rint(path), np.int32)


def _texture(rng: np.random.Generator, height: int, width: int, long: int) -> Rgb:
    """Stripes with grain (height, width, 3) from one color to another."""
    towards, period = rng.uniform(0, math.pi), long * rng.uniform(0.008, 0.04)
    along = math.cos(towards) * np.arange(width) + math.sin(towards) * np.arange(height)[:, None]
    mix = (
        0.5
        + 0.5 * np.sin(2 * math.pi * along / max(period, 2.0))
        + rng.uniform(0, 0.4) * rng.standard_normal(along.shape)
    )
    first, last = rng.integers(0, 256, (2, 3)).astype(np.float64)
    return to_bytes(first + np.clip(mix, 0, 1)[..., None] * (last - first))

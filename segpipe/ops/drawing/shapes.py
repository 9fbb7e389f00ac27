"""Helpers of the drawn reefs: noise, outlines, textures and the light on a surface."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

CORAL_COLORS = ((204, 124, 62), (212, 104, 112), (190, 104, 158), (220, 142, 92), (218, 108, 56))


def noise(rng: np.random.Generator, h: int, w: int, cell: float, octaves: int) -> Array:
    """Smooth noise (h, w), standard deviation about 1: each octave half as coarse and 0.55 times as strong."""
    total, weight = np.zeros((h, w), np.float32), 0.0
    for octave in range(octaves):
        step = max(1.0, cell / 2**octave)
        shape = (min(h, math.ceil(h / step)) + 2, min(w, math.ceil(w / step)) + 2)
        layer = cv2.resize(rng.standard_normal(shape, np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
        total += 0.55**octave * layer.reshape(h, w)
        weight += 0.55 ** (2 * octave) * 0.6  # interpolated noise has about 0.6 of the variance
    return total / np.float32(math.sqrt(weight))


def ragged(rng: np.random.Generator, rough: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The outline of an uneven round shape: 72 angles, and the radius at each, about 1."""
    angle = np.linspace(0, math.tau, 72, endpoint=False)
    radius = np.ones(72)
    for wave in range(2, 12):
        radius += rough / wave**0.7 * rng.normal() * np.cos(wave * angle + rng.uniform(0, math.tau))
    return angle, radius


def filled(outline: npt.NDArray[np.float64], h: int, w: int) -> Bools:
    """The pixels (h, w) inside an outline (points, x and y)."""
    canvas = np.zeros((h, w), np.uint8)
    cv2.fillPoly(canvas, [np.round(outline * 8).astype(np.int32)], 1, cv2.LINE_8, 3)
    return canvas > 0


def winding(rng: np.random.Generator, h: int, w: int, step: float) -> Array:
    """Winding ridges and valleys (h, w), -1 to 1, as brain corals have."""
    white = rng.standard_normal((h, w)).astype(np.float32)
    band = cv2.GaussianBlur(white, (0, 0), step) - cv2.GaussianBlur(white, (0, 0), 1.7 * step)
    return np.asarray(np.tanh(1.6 * band / (band.std() + 1e-6)), np.float32)


def rounded(mask: npt.NDArray[np.bool_], reach: float) -> Array:
    """Brightness of a rounded body lit from above: light on its shoulder, dark at its foot."""
    inner = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    body = np.sqrt(np.minimum(inner / (0.3 * reach), 1))
    return 0.85 + slope(cv2.GaussianBlur(body, (0, 0), max(1.0, 0.03 * reach)), 0.16 * reach)


def slope(height: Array, strength: float) -> Array:
    """What light from above and a little from the left adds on a surface."""
    wide = np.pad(height, 1, mode="edge")
    rise = 0.5 * (wide[2:, 1:-1] - wide[:-2, 1:-1]) + 0.2 * (wide[1:-1, 2:] - wide[1:-1, :-2])
    return (0.4 * np.tanh(strength * rise / 0.4)).astype(np.float32)

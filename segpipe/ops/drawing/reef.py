"""Reef generator: an underwater reef drawn by rule, as a photograph and its exact labels.

Sand with ripples, rock with cracks, branching and massive corals, algae of many blades, under uneven light and behind
the blue-green veil that grows with distance: image = scene * exp(-beta * d) + veil * (1 - exp(-beta * d)) for each
color, with red lost first (the usual model of light in water, McGlamery 1980).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Size
from segpipe.ops.drawing.shapes import (
    CORAL_COLORS,
    Array,
    Bools,
    filled,
    noise,
    ragged,
    rounded,
    slope,
    winding,
)

CLASSES = ("water", "sand", "coral", "algae", "rock")
_WATER, _SAND, _CORAL, _ALGAE, _ROCK = range(5)
_BETA = np.array([0.30, 0.085, 0.065])
"""Attenuation of red, green and blue per unit of distance; the nearest ground is one unit away."""


@dataclass(slots=True)
class _Scene:
    """What has been drawn so far, from far to near."""

    color: npt.NDArray[np.uint8]
    """(H, W, 3) color in white light."""
    labels: npt.NDArray[np.uint8]
    """(H, W)"""
    distance: Array
    """(H, W) from the camera, 1 = nearest ground."""
    relief: Array
    """(H, W) brightness by slope: 1 = level."""
    unit: float
    """Pixels per grain of texture, so that small and large images show the same reef."""
    horizon: float
    """Row where the ground begins."""
    floor: float
    """Row where the picture ends."""

    def cut(self, x: float, y: float, reach: float) -> tuple[_Scene, float, float]:
        """The part of the scene around an object, to draw on, and the object's place there."""
        h, w = self.labels.shape
        top, bottom = (int(np.clip(v, 0, h)) for v in (y - 1.3 * reach, y + 0.5 * reach))
        left, right = (int(np.clip(v, 0, w)) for v in (x - 1.9 * reach, x + 1.9 * reach))
        part = (slice(top, bottom), slice(left, right))
        views = (self.color[part], self.labels[part], self.distance[part], self.relief[part])
        return _Scene(*views, self.unit, self.horizon - top, self.floor - top), x - left, y - top

    def paint(self, mask: Bools, color: Array, label: int, base: float, relief: Array, reach: float) -> None:
        """Put an object that stands on row `base` over what is there, with its shadow."""
        foot = max(1, round(0.10 * reach))
        cast = np.roll(mask, foot, axis=0).astype(np.float32)
        cast[:foot] = 0
        cast = cv2.GaussianBlur(cast, (0, 0), 0.07 * reach)
        ground = np.arange(len(mask))[:, None] > base - 0.25 * reach
        self.relief *= 1 - 0.45 * cast * (self.labels == _SAND) * ground
        self.color[mask] = np.clip(color[mask], 0, 255)
        self.labels[mask] = label
        self.distance[mask] = self.distance_at(base)
        self.relief[mask] = relief[mask]

    def share(self, row: float) -> float:
        """How near the ground on a row is: 0 at the horizon, 1 at the lower edge."""
        return max(0.0, (row - self.horizon) / (self.floor - self.horizon))

    def distance_at(self, row: float) -> float:
        """Distance of the ground on a row."""
        return 1.15 / (self.share(row) + 0.15)


Draw = Callable[[np.random.Generator, _Scene, float, float, float], None]


def reef_scene(rng: np.random.Generator, size: Size) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Draw one reef.

    Returns:
        The photograph (H, W, 3) RGB and its labels (H, W), values index `CLASSES`.
    """
    scene = _ground(rng, size)
    h, w = size.height, size.width
    kinds = rng.permutation(
        [_ROCK] * rng.integers(2, 5) + [_CORAL] * rng.integers(8, 13) + [_ALGAE] * rng.integers(5, 9)
    )
    rows = np.sort(scene.horizon + (h - scene.horizon) * rng.uniform(0.04, 1.05, len(kinds)))
    middle = rng.uniform(0, w, 3)  # corals and algae keep company
    for kind, row in zip(kinds, rows, strict=True):
        column = rng.normal(rng.choice(middle), 0.18 * w) if rng.random() < 0.6 else rng.uniform(0, w)
        reach = (0.1 + 0.24 * scene.share(row)) * math.sqrt(h * w) * rng.uniform(0.6, 1.3)
        draw = {_ROCK: _rock, _ALGAE: _algae, _CORAL: _branching if rng.random() < 0.6 else _massive}[int(kind)]
        _stand(draw, rng, scene, float(column), float(row), float(reach))
    return _photograph(rng, scene), scene.labels


def _ground(rng: np.random.Generator, size: Size) -> _Scene:
    """Open water above, rippled sand below, and a rocky slope where they meet."""
    h, w = size.height, size.width
    unit, horizon = math.sqrt(h * w) / 280, h * rng.uniform(0.14, 0.42)
    rows = np.arange(h, dtype=np.float32)[:, None]
    share = np.clip((rows - horizon) / (h - horizon), 0, 1)
    distance = np.broadcast_to(1.15 / (share + 0.15), (h, w)).astype(np.float32)
    edge = horizon + 0.025 * h * noise(rng, h, w, 60 * unit, 4)[:1]
    water = rows < edge
    # ripples of one length on the ground: they close up with distance until they blur
    pace = 5.5 * math.tau / 1.15
    phase = pace * distance + 1.7 * noise(rng, h, w, 70 * unit, 3) + 0.008 / unit * np.arange(w, dtype=np.float32)
    fine = pace * distance**2 / (1.15 * (h - horizon)) / math.tau  # ripples per row
    ripples = np.sin(phase + 0.5 * np.sin(phase)) * np.exp(-((3.0 * fine) ** 2))
    grain = 0.6 * noise(rng, h, w, 2.0 * unit, 2) + 0.6 * noise(rng, h, w, 40 * unit, 3)
    sand = np.array([214, 196, 158]) + (11 * grain)[..., None]
    sand[rng.random((h, w)) < 0.004] *= 0.6  # bits of shell and stone
    color = np.where(water[..., None], np.array([120, 190, 205]), sand)
    scene = _Scene(
        np.clip(color, 0, 255).astype(np.uint8),
        np.where(water, _WATER, _SAND).astype(np.uint8),
        np.where(water, np.float32(30), distance).astype(np.float32),
        np.where(water, 1, 1 + 0.17 * ripples).astype(np.float32),
        unit,
        horizon,
        h,
    )
    for _ in range(rng.integers(2, 5)):
        reach = 0.2 * math.sqrt(h * w) * rng.uniform(0.7, 1.6)
        _stand(_rock, rng, scene, rng.uniform(0, w), horizon + 0.03 * h * rng.uniform(0.5, 2), reach)
    return scene


def _stand(draw: Draw, rng: np.random.Generator, scene: _Scene, x: float, y: float, reach: float) -> None:
    part, column, row = scene.cut(x, y, reach)
    if part.labels.size:
        draw(rng, part, column, row, reach)


def _rock(rng: np.random.Generator, scene: _Scene, x: float, y: float, reach: float) -> None:
    mask = _blob(rng, scene, x, y - 0.25 * reach, reach * rng.uniform(0.8, 1.3), 0.5 * reach, rough=0.16)
    h, w = mask.shape
    lumps = noise(rng, h, w, 0.5 * reach, 5)
    cracks = np.exp(-((noise(rng, h, w, 0.35 * reach, 3) / 0.07) ** 2))
    color = (
        np.array(rng.choice([(92, 80, 70), (80, 76, 78), (98, 82, 66)])) * (1 + 0.17 * lumps - 0.45 * cracks)[..., None]
    )
    relief = rounded(mask, reach) + slope(lumps, 0.05 * reach)
    scene.paint(mask, color.astype(np.float32), _ROCK, y, relief, reach)


def _massive(rng: np.random.Generator, scene: _Scene, x: float, y: float, reach: float) -> None:
    """A dome with winding valleys, as brain corals have."""
    mask = _blob(rng, scene, x, y - 0.22 * reach, 0.5 * reach, 0.36 * reach, rough=0.05)
    h, w = mask.shape
    step = max(1.1, 0.020 * reach)
    valleys = winding(rng, h, w, step)
    color = (
        np.array(CORAL_COLORS[rng.integers(5)])
        * (0.92 + 0.26 * valleys + 0.06 * noise(rng, h, w, 30 * scene.unit, 2))[..., None]
    )
    scene.paint(mask, color.astype(np.float32), _CORAL, y, rounded(mask, reach), reach)


def _branching(rng: np.random.Generator, scene: _Scene, x: float, y: float, reach: float) -> None:
    """A thicket that forks again and again, light at the tips, dark between the branches."""
    h, w = scene.labels.shape
    tint = np.array(CORAL_COLORS[rng.integers(5)])
    color, drawn = np.empty((h, w, 3), np.uint8), np.zeros((h, w), np.uint8)
    color[:] = (0.38 * tint).astype(np.uint8)
    lines: list[tuple[int, tuple[int, int], tuple[int, int], float]] = []
    stems = rng.integers(9, 14)
    tips: list[tuple[float, float, float]] = [
        (x + (i / (stems - 1) - 0.5) * 0.55 * reach, y, (i / (stems - 1) - 0.5) * 2.3 + rng.normal(0, 0.15))
        for i in range(stems)
    ]
    length = 0.20 * reach
    thick = max(1.5, 0.045 * reach)
    for level in range(4):
        grown = []
        for left, top, lean in tips:
            for turn in (-0.38, 0.38) if level else (0.0,):
                angle = lean * 0.92 + turn + rng.normal(0, 0.16)
                end = (left + length * math.sin(angle), top - length * 0.9 * math.cos(angle))
                lines.append((level, (round(left * 8), round(top * 8)), (round(end[0] * 8), round(end[1] * 8)), thick))
                grown.append((*end, angle))
        tips, length, thick = grown, length * 0.74, thick * 0.82
    lift = round(8 * 0.25 * thick)
    for level, start, stop, width in lines:  # shift=3: coordinates in eighths of a pixel
        cv2.line(drawn, start, stop, 255, max(1, round(width)), cv2.LINE_8, 3)
        cv2.line(color, start, stop, (0.62 * tint).tolist(), max(1, round(width)), cv2.LINE_AA, 3)
        up = [(point[0] - lift, point[1] - lift) for point in (start, stop)]
        light = np.minimum(tint * (0.95 + 0.10 * level) + 10 * level, 255).tolist()
        cv2.line(color, up[0], up[1], light, max(1, round(0.55 * width)), cv2.LINE_AA, 3)
    for left, top, _ in tips:
        tip = np.minimum(0.6 * tint + 100, 255).tolist()
        cv2.circle(color, (round(left * 8), round(top * 8)), max(4, round(8 * 0.5 * thick)), tip, -1, cv2.LINE_AA, 3)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, round(0.05 * reach)) + 1,) * 2)
    mask = cv2.morphologyEx(drawn, cv2.MORPH_CLOSE, kernel) > 0
    scene.paint(mask, color.astype(np.float32), _CORAL, y, 0.35 + 0.65 * rounded(mask, reach), reach)


def _algae(rng: np.random.Generator, scene: _Scene, x: float, y: float, reach: float) -> None:
    """A low mat of blades that lean with the current."""
    mask = _blob(rng, scene, x, y - 0.1 * reach, 0.62 * reach, 0.26 * reach, rough=0.22)
    h, w = mask.shape
    color = np.empty((h, w, 3), np.uint8)
    color[:] = (48, 62, 22)
    drawn = mask.astype(np.uint8)
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return
    length, sway = max(4.0, 0.10 * reach), rng.normal(0, 0.5)
    count = int(np.clip(len(rows) / (0.12 * length**2 + 1), 20, 900))
    chosen = np.sort(rng.integers(len(rows), size=count))  # far blades first
    bend = sway + rng.normal(0, 0.45, count)
    long = length * rng.uniform(0.6, 1.4, count)
    shades = np.array([92, 116, 34]) * rng.uniform(0.55, 1.45, (count, 1)) + rng.normal(0, 8, (count, 3))
    foot = np.stack([columns[chosen], rows[chosen]], axis=1)[:, None]
    shape = np.stack([np.outer(bend, (0, 0.35, 1)), np.broadcast_to((0, -0.55, -1), (count, 3))], axis=2)
    blades = np.round(8 * (foot + shape * long[:, None, None])).astype(np.int32)  # (count, 3 points, x and y)
    wide = max(1, round(0.14 * length))
    for blade, shade in zip(blades, np.clip(shades, 0, 255).tolist(), strict=True):
        cv2.polylines(drawn, [blade], False, 1, wide, cv2.LINE_8, 3)
        cv2.polylines(color, [blade], False, shade, wide, cv2.LINE_AA, 3)
    scene.paint(drawn > 0, color.astype(np.float32), _ALGAE, y, 0.5 + 0.5 * rounded(drawn > 0, reach), reach)


def _photograph(rng: np.random.Generator, scene: _Scene) -> npt.NDArray[np.uint8]:
    """Light the scene, hang the water before it, and take the picture with a small camera."""
    h, w = scene.labels.shape
    unit, wet = scene.unit, scene.labels == _WATER
    near = 1 / (1 + 0.35 * scene.distance)
    net = np.exp(-np.abs(noise(rng, h, w, 34 * unit, 2)) / 0.12)  # sunlight focused by waves
    sun = 0.92 + 0.16 * noise(rng, h, w, 0.7 * w, 2) + 0.55 * net * near
    lit = scene.color * (scene.relief * np.where(wet, 1, sun))[..., None] * rng.uniform(0.86, 1.1)
    veil = np.array([24, 112, 142]) * rng.uniform(0.85, 1.15) + rng.normal(0, 7, 3)
    clear = np.exp(-rng.uniform(0.6, 0.95) * _BETA * scene.distance[..., None])
    picture = lit * clear + veil * (1 - clear)
    up = np.clip(1 - np.arange(h)[:, None] / max(scene.horizon, 1), 0, 1)  # brighter towards the surface
    rays = noise(rng, 1, w, 26 * unit, 3) * up * 0.10
    glow = (0.55 * up + rays) * np.exp(-(((np.arange(w) - rng.uniform(0, w)) / (0.8 * w)) ** 2))
    picture += (np.where(wet, 1.0, 0.3) * glow)[..., None] * np.array([90, 120, 105])
    for _ in range(rng.integers(10, 40)):  # particles in the water
        spot = (int(rng.integers(8 * w)), int(rng.integers(8 * h)))
        cv2.circle(picture, spot, int(8 * unit * rng.uniform(0.3, 0.9)), (veil + 75).tolist(), -1, cv2.LINE_8, 3)
    picture = cv2.GaussianBlur(picture, (0, 0), 0.65 * unit)
    y, x = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)
    picture *= (1 - 0.16 * (x**2 + y**2))[..., None]
    picture += rng.normal(0, 3.5, (h, w, 1)) + rng.normal(0, 2.0, (h, w, 3))
    taken: npt.NDArray[np.uint8] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return taken


def _blob(
    rng: np.random.Generator, scene: _Scene, x: float, y: float, wide: float, tall: float, *, rough: float
) -> Bools:
    """A filled round shape with an uneven outline and a flat foot."""
    angle, radius = ragged(rng, rough)
    rows = y + tall * radius * np.sin(angle)
    foot = y + tall * (0.55 + 0.4 * rough * np.sin(5 * angle + radius))
    outline = np.stack([x + wide * radius * np.cos(angle), np.minimum(rows, foot)], axis=1)
    return filled(outline, *scene.labels.shape)

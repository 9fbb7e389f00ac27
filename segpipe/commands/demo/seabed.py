"""Seabed generator: a reef flat drawn by rule as it is seen from straight above, and its exact labels.

Rippled sand, patches of seagrass, rock with cracks, coral domes in clusters on and beside it, and rubble around them.
One pixel is a centimeter: ripples are 20 cm apart, domes 40 to 130 cm wide, stones of rubble some 8 cm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.ops.drawing.shapes import Array, Bools, filled, noise, ragged, rounded, slope, winding

CLASSES = ("sand", "seagrass", "coral", "rock", "rubble")
_SAND, _SEAGRASS, _CORAL, _ROCK, _RUBBLE = range(5)
_REEF, _BARE, _SEAGRASS_SHARE = 0.44, 0.50, 0.25
"""Shares: of reef, of bare rock in it, of seagrass."""
_CORAL_COLORS = ((196, 128, 84), (206, 138, 96), (192, 122, 102), (202, 134, 78))

Bytes = npt.NDArray[np.uint8]


@dataclass(slots=True)
class _Ground:
    """What has been drawn so far, from the bottom up."""

    color: Array
    """(side, side, 3) in white light."""
    labels: Bytes
    """(side, side)"""

    def put(self, mask: Bools, color: Array, label: int, *, height: float = 0.0, part: tuple[slice, slice]) -> None:
        """Lay something over a part of the ground; what has a height in pixels casts a shadow down and to the right."""
        ground, labels = self.color[part], self.labels[part]
        if height:
            step = max(1, round(height))
            cast = np.roll(mask, (step, step), (0, 1)).astype(np.float32)
            cast[:step], cast[:, :step] = 0, 0
            ground *= 1 - 0.42 * cv2.GaussianBlur(cast, (0, 0), 0.4 * height + 0.5)[..., None]
        ground[mask] = color[mask]
        labels[mask] = label


def seabed_scene(rng: np.random.Generator, side: int) -> tuple[Bytes, Bytes]:
    """Draw one seabed.

    Returns:
        The picture (side, side, 3) RGB, no value of which is 0, and its labels (side, side), values index `CLASSES`.
    """
    ground = _Ground(_sand(rng, side), np.full((side, side), _SAND, np.uint8))
    reef = _highest(noise(rng, side, side, 420, 4) + 0.10 * noise(rng, side, side, 24, 3), _REEF)
    near = cv2.GaussianBlur(reef.astype(np.float32), (0, 0), 16)
    lush = noise(rng, side, side, 280, 4) + 0.14 * noise(rng, side, side, 26, 3) - 5 * near  # keeps off the reef
    inner = cv2.GaussianBlur(reef.astype(np.float32), (0, 0), 40) + 0.12 * noise(rng, side, side, 80, 5)
    _rubble(rng, ground, reef)
    _seagrass(rng, ground, _highest(lush, _SEAGRASS_SHARE))
    bare = reef & _highest(np.where(reef, inner, np.float32(-9)), _REEF * _BARE)
    _rock(rng, ground, bare)
    _corals(rng, ground, reef, reef & (cv2.erode(bare.astype(np.uint8), _disk(24)) == 0))
    return _picture(rng, ground), ground.labels


def surveyed_area(rng: np.random.Generator, side: int) -> tuple[Bools, Array]:
    """The strips of photographs that a diver or a drone took, turned by 12 degrees in the frame.

    Returns:
        Which pixels (side, side) lie in a photograph, and the brightness of each photograph, about 1.
    """
    y, x = (np.mgrid[:side, :side].astype(np.float32) + 0.5) / side - 0.5
    turn = math.radians(12)
    along, across = math.cos(turn) * x + math.sin(turn) * y, math.cos(turn) * y - math.sin(turn) * x
    strips, photos = 7, 9
    strip = np.clip((across / 0.74 + 0.5) * strips, 0, strips - 1).astype(int)
    starts, stops = rng.uniform(-0.43, -0.40, strips), rng.uniform(0.40, 0.43, strips)
    inside = (np.abs(across) < 0.37) & (along > starts[strip]) & (along < stops[strip])
    photo = np.clip((along / 0.86 + 0.5) * photos, 0, photos - 1).astype(int)
    brightness = rng.normal(1, 0.025, (strips, photos)).astype(np.float32)[strip, photo]
    return inside, cv2.GaussianBlur(brightness, (0, 0), 0.004 * side)


def _highest(field: Array, share: float) -> Bools:
    """The pixels with the highest values, a share of all."""
    return np.asarray(field > np.quantile(field, 1 - share))


def _disk(radius: int) -> Bytes:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2), np.uint8)


def _ramp(rng: np.random.Generator, side: int) -> Array:
    """Pixels (side, side) along a direction."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    turn = rng.uniform(0, math.pi)
    return np.asarray(math.cos(turn) * x + math.sin(turn) * y)


def _sand(rng: np.random.Generator, side: int) -> Array:
    """Ripples whose crests wander, fork and fade."""
    phase = math.tau / 20 * _ramp(rng, side) + 2.2 * noise(rng, side, side, 150, 3)
    crests = np.sin(phase + 0.5 * np.sin(phase)) * np.clip(0.7 + 0.35 * noise(rng, side, side, 260, 2), 0.15, 1.2)
    grain = 0.035 * noise(rng, side, side, 2, 2) + 0.035 * noise(rng, side, side, 120, 3)
    sand: Array = np.array([206, 194, 162], np.float32) * (1 + 0.085 * crests + grain)[..., None]
    sand[rng.random((side, side)) < 0.002] *= 0.7  # bits of shell
    return sand


def _rubble(rng: np.random.Generator, ground: _Ground, where: Bools) -> None:
    """Many small stones, close together."""
    side = len(where)
    color = np.empty((side, side, 3), np.uint8)
    color[:] = (96, 92, 84)
    drawn = where.astype(np.uint8)
    rows, columns = np.nonzero(where)
    if not len(rows):
        return
    count = len(rows) // 34
    chosen = rng.integers(len(rows), size=count)
    middle = np.stack([columns[chosen], rows[chosen]], axis=1) + rng.normal(0, 3, (count, 2))
    long = np.exp(rng.normal(math.log(4.6), 0.35, count))
    axes = np.round(8 * np.stack([long, long * rng.uniform(0.45, 0.9, count)], axis=1)).astype(int)
    turns = rng.uniform(0, 180, count)
    shades = np.array([176, 170, 154]) * rng.uniform(0.62, 1.25, (count, 1)) + rng.normal(0, 7, (count, 3))
    shades[rng.random(count) < 0.07] *= (0.86, 0.72, 0.78)  # overgrown by coralline algae
    places = np.round(8 * middle).astype(int).tolist()
    for (x, y), axis, turn, shade in zip(places, axes.tolist(), turns, np.clip(shades, 1, 255).tolist(), strict=True):
        cv2.ellipse(color, ((x + 10), (y + 10)), axis, turn, 0, 360, (52, 50, 46), -1, cv2.LINE_AA, 3)
        cv2.ellipse(color, (x, y), axis, turn, 0, 360, shade, -1, cv2.LINE_AA, 3)
        cv2.ellipse(drawn, (x, y), axis, turn, 0, 360, 1, -1, cv2.LINE_8, 3)
    ground.put(drawn > 0, color.astype(np.float32), _RUBBLE, height=2, part=np.s_[:, :])


def _seagrass(rng: np.random.Generator, ground: _Ground, where: Bools) -> None:
    """Thin blades that lie with the current, dense inside a patch and loose along its edge."""
    side = len(where)
    color = np.empty((side, side, 3), np.uint8)
    color[:] = (36, 50, 32)
    drawn = cv2.erode(where.astype(np.uint8), _disk(6))
    rows, columns = np.nonzero(where)
    if not len(rows):
        return
    count = len(rows) // 22
    chosen = rng.integers(len(rows), size=count)
    current = rng.uniform(0, math.tau)
    turn = current + 0.9 * noise(rng, side, side, 200, 2)[rows[chosen], columns[chosen]] + rng.normal(0, 0.5, count)
    long, bend = rng.uniform(12, 26, count), rng.normal(0, 0.35, count)
    foot = np.stack([columns[chosen], rows[chosen]], axis=1)
    half = foot + 0.5 * long[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    tip = half + 0.5 * long[:, None] * np.stack([np.cos(turn + bend), np.sin(turn + bend)], axis=1)
    blades = np.round(8 * np.stack([foot, half, tip], axis=1)).astype(np.int32)
    shades = np.array([84, 106, 58]) * rng.uniform(0.5, 1.35, (count, 1)) + rng.normal(0, 7, (count, 3))
    for blade, shade in zip(blades, np.clip(shades, 1, 255).tolist(), strict=True):
        cv2.polylines(drawn, [blade], False, 1, 2, cv2.LINE_8, 3)
        cv2.polylines(color, [blade], False, shade, 2, cv2.LINE_AA, 3)
    ground.put(drawn > 0, color.astype(np.float32), _SEAGRASS, height=4, part=np.s_[:, :])


def _rock(rng: np.random.Generator, ground: _Ground, where: Bools) -> None:
    """Bare rock in worn layers, with lumps and cracks."""
    side = len(where)
    lumps = noise(rng, side, side, 70, 5)
    layers = np.sin(math.tau / 15 * _ramp(rng, side) + 2.6 * noise(rng, side, side, 110, 4))
    cracks = np.exp(-((noise(rng, side, side, 60, 3) / 0.06) ** 2))
    tint = np.array([106, 92, 88], np.float32) * (1 + 0.04 * noise(rng, side, side, 200, 2))[..., None]
    relief = 1 + slope(lumps, 3.0) + 0.06 * lumps + 0.16 * np.tanh(2 * layers) - 0.4 * cracks
    edge = cv2.distanceTransform(where.astype(np.uint8), cv2.DIST_L2, 5)
    relief = relief * (0.75 + 0.25 * np.clip(edge / 10, 0, 1))
    ground.put(where, tint * relief[..., None], _ROCK, height=9, part=np.s_[:, :])


def _corals(rng: np.random.Generator, ground: _Ground, reef: Bools, where: Bools) -> None:
    """Domes on the reef, in clusters around places where they grow."""
    side = len(reef)
    rows, columns = np.nonzero(where)
    if not len(rows):
        return
    clusters = max(1, len(rows) // 15000)
    chosen = rng.integers(len(rows), size=clusters)
    middles = np.stack([columns[chosen], rows[chosen]], axis=1)
    count = clusters * 11
    places = middles[rng.integers(clusters, size=count)] + rng.normal(0, 48, (count, 2))
    for (x, y), reach in zip(places, np.exp(rng.normal(math.log(23), 0.4, count)), strict=True):
        if 0 <= x < side and 0 <= y < side and reef[int(y), int(x)]:
            _dome(rng, ground, float(x), float(y), float(np.clip(reach, 10, 50)))


def _dome(rng: np.random.Generator, ground: _Ground, x: float, y: float, reach: float) -> None:
    """One coral of a radius in pixels."""
    side, room = len(ground.labels), math.ceil(1.8 * reach)
    top, left = max(0, round(y) - room), max(0, round(x) - room)
    part = (slice(top, min(side, round(y) + room)), slice(left, min(side, round(x) + room)))
    h, w = ground.labels[part].shape
    angle, radius = ragged(rng, 0.07)
    stretch, turn = rng.uniform(0.8, 1.0), rng.uniform(0, math.pi)
    outline = reach * np.stack([radius * np.cos(angle), stretch * radius * np.sin(angle)], axis=1)
    spin = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    mask = filled(outline @ spin + (x - left, y - top), h, w)
    valleys = winding(rng, h, w, 1.9)
    tint = np.array(_CORAL_COLORS[rng.integers(len(_CORAL_COLORS))], np.float32) * rng.uniform(0.9, 1.08)
    shade = rounded(mask, 2 * reach) * (1 + 0.24 * valleys)
    ground.put(mask, tint * shade[..., None], _CORAL, height=0.22 * reach, part=part)


def _picture(rng: np.random.Generator, ground: _Ground) -> Bytes:
    """Light from above through some meters of water."""
    side = len(ground.labels)
    net = np.exp(-np.abs(noise(rng, side, side, 46, 2)) / 0.14)  # sunlight focused by waves
    sun = 0.93 + 0.03 * noise(rng, side, side, 700, 2) + 0.14 * net
    depth = (1 + 0.12 * noise(rng, side, side, 800, 2))[..., None]
    clear = np.exp(-depth * np.array([0.32, 0.10, 0.07], np.float32))
    lit = ground.color * sun[..., None] * clear + np.array([16, 60, 84], np.float32) * (1 - clear)
    lit = cv2.GaussianBlur(lit.astype(np.float32), (0, 0), 0.6) + rng.normal(0, 2, (side, side, 1))
    return np.asarray(np.clip(np.rint(lit), 1, 255), np.uint8)

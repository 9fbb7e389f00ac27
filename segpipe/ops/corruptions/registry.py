"""Pictures as they could also have been taken: a table of disturbances, and the way back to the picture's pixels."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError
from segpipe.ops.corruptions import blur as focus
from segpipe.ops.corruptions import color, light, occlusion
from segpipe.ops.corruptions import digital as artefact
from segpipe.ops.corruptions import geometric as geometry
from segpipe.ops.corruptions import underwater as water
from segpipe.ops.corruptions.geometric import inverse
from segpipe.records.corruption import Bools, Disturbance, Disturbed, Homography, Rgb

__all__ = [
    "DISTURBANCES",
    "Disturbance",
    "Disturbed",
    "Rgb",
    "bring_back",
    "disturb",
    "generator",
    "inverse",
    "seen_in_both",
    "shows_picture",
]

_ALL = (
    Disturbance("rotation", "geometry", (10, 30, 90, 180), "degrees", geometry.rotate),
    Disturbance("zoom-out", "geometry", (1.4, 2, 4), "times smaller", geometry.zoom_out),
    Disturbance("zoom-in", "geometry", (1.4, 2, 4), "times larger", geometry.zoom_in),
    Disturbance("viewpoint", "geometry", (15, 30, 50), "degrees of tilt", geometry.tilt),
    Disturbance("blur", "focus", (1, 2, 4, 8), "px of sigma at 480 px long side", focus.blur),
    Disturbance("motion-blur", "focus", (5, 11, 21), "px at 480 px long side", focus.motion_blur),
    Disturbance("dark", "light", (1, 2, 4), "stops", light.darken),
    Disturbance("bright", "light", (0.5, 1, 2), "stops", light.brighten),
    Disturbance("contrast", "light", (0.3, 0.6, 0.85), "share lost", light.flatten),
    Disturbance("gradient", "light", (1, 2, 4), "stops from end to end", light.light_from_aside),
    Disturbance("noise", "light", (8, 20, 45), "gray levels of sigma at middle gray", light.add_noise),
    Disturbance("hue", "color", (20, 60, 180), "degrees", color.turn_hue),
    Disturbance("desaturation", "color", (0.5, 0.8, 1), "share of color lost", color.desaturate),
    Disturbance("saturation", "color", (1.5, 2, 4), "times", color.saturate),
    Disturbance("cast", "color", (0.5, 1, 2), "stops between channels", color.cast),
    Disturbance("jpeg", "artefact", (50, 20, 5), "JPEG quality", artefact.recompress),
    Disturbance("blocking", "artefact", (8, 16, 32), "px of a block at 480 px long side", artefact.block),
    Disturbance("scratches", "artefact", (5, 20, 60), "scratches", artefact.scratch),
    Disturbance("dust", "artefact", (20, 80, 300), "specks", artefact.dust),
    Disturbance("text", "artefact", (12, 24, 40), "px of letters at 480 px long side", artefact.stamp),
    Disturbance("lines", "artefact", (1, 3, 9), "lines", artefact.draw_lines),
    Disturbance("occlusion", "occlusion", (0.1, 0.25, 0.5), "share covered", occlusion.occlude),
    Disturbance("clutter", "occlusion", (0.05, 0.15, 0.3), "share covered", occlusion.clutter),
    Disturbance("veil", "water", (1, 2, 4, 8), "m of water, Jerlov III", water.oceanic_veil),
    Disturbance("green-veil", "water", (0.25, 0.5, 1, 2), "m of water, Jerlov 5C", water.coastal_veil),
)
DISTURBANCES: Mapping[str, Disturbance] = MappingProxyType({each.name: each for each in _ALL})
"""All of them by name, family by family."""


def mirrored(rgb: Rgb) -> Disturbed:
    """The picture (H, W, 3) with left and right exchanged."""
    back = np.array([[-1.0, 0, rgb.shape[1] - 1], [0, 1, 0], [0, 0, 1]])
    return Disturbed(np.ascontiguousarray(rgb[:, ::-1]), back=back)


MIRROR = Disturbance("mirror", "geometry", (1,), "left to right", lambda rgb, level, rng: mirrored(rgb))
"""Not in the common table: a mirrored picture is a different scene to a person, too."""


def generator(seed: int, name: str, image: int) -> np.random.Generator:
    """The generator for a disturbance of an image: the same whatever else is disturbed, and at every level.

    Args:
        seed: of the probe.
        name: of the disturbance.
        image: place of the image in its corpus or listing.
    """
    return np.random.default_rng([seed, zlib.crc32(name.encode()), image])


def disturb(disturbance: Disturbance, rgb: Rgb, level: float, *, seed: int, image: int) -> Disturbed:
    """Disturb a picture (H, W, 3) with the generator that is meant for it."""
    return disturbance.apply(rgb, level, generator(seed, disturbance.name, image))


def bring_back(values: npt.NDArray[Any], back: Homography | None, *, nearest: bool = False) -> npt.NDArray[Any]:
    """What belongs to the disturbed picture, read at the places of the pixels of the picture as it was.

    Args:
        values: (H, W) or (H, W, C) for each pixel of the disturbed picture.
        back: of `Disturbed`; None returns `values`.
        nearest: read the nearest pixel, as class maps must be, of any integer type; else interpolate, float32.

    Returns:
        Like `values`; what is not `seen_in_both` repeats the border and means nothing.
    """
    if back is None:
        return values
    height, width = values.shape[:2]
    x, y = geometry.positions(back, height, width)
    if nearest:
        column, row = (np.nan_to_num(np.rint(place), nan=0.0) for place in (x, y))
        places = np.clip(row, 0, height - 1).astype(np.intp), np.clip(column, 0, width - 1).astype(np.intp)
        return np.asarray(values[places])
    # what lies far outside is brought near: OpenCV counts in 16 bits there
    columns, rows = (
        np.nan_to_num(np.clip(place, -1, end), nan=-1.0).astype(np.float32) for place, end in ((x, width), (y, height))
    )
    flat = np.asarray(values, np.float32)
    return np.asarray(cv2.remap(flat, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def seen_in_both(back: Homography | None, height: int, width: int) -> Bools:
    """Which pixels (height, width) of the picture as it was the disturbed picture shows too."""
    if back is None:
        return np.ones((height, width), np.bool_)
    return geometry.inside(*geometry.positions(back, height, width), height, width)


def shows_picture(back: Homography | None, height: int, width: int) -> Bools:
    """Which pixels (height, width) of the disturbed picture show something of the picture; the others are black."""
    return seen_in_both(None if back is None else inverse(back), height, width)


def choose_disturbances(wanted: Sequence[str]) -> tuple[Disturbance, ...]:
    """Those of these names, in the order of the table; all of them for none.

    Raises:
        UsageError: an unknown name.
    """
    known = {MIRROR.name: MIRROR, **DISTURBANCES}
    unknown = next((name for name in wanted if name not in known), None)
    if unknown is not None:
        raise UsageError(f"--disturb {unknown} is not known; there are {', '.join(known)}")
    return tuple(each for name, each in known.items() if not wanted or name in wanted)

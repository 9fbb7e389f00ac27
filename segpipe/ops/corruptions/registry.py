"""Images as they could also have been taken: a table of corruptions, and the way back to the image's pixels."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named
from segpipe.ops.corruptions import blur as focus
from segpipe.ops.corruptions import color, light, occlusion
from segpipe.ops.corruptions import digital as artefact
from segpipe.ops.corruptions import geometric as geometry
from segpipe.ops.corruptions import underwater as water
from segpipe.ops.corruptions.geometric import inverse
from segpipe.records.corruption import Bools, CorruptedImage, Corruption, Homography, Rgb

__all__ = [
    "CORRUPTIONS",
    "CorruptedImage",
    "Corruption",
    "Rgb",
    "corrupt",
    "generator",
    "inverse",
    "shows_image",
    "visible_in_both",
    "warp_back",
]

_ALL = (
    Corruption("rotation", "geometry", (10, 30, 90, 180), "degrees", geometry.rotate),
    Corruption("zoom-out", "geometry", (1.4, 2, 4), "times smaller", geometry.zoom_out),
    Corruption("zoom-in", "geometry", (1.4, 2, 4), "times larger", geometry.zoom_in),
    Corruption("viewpoint", "geometry", (15, 30, 50), "degrees of tilt", geometry.tilt),
    Corruption("blur", "focus", (1, 2, 4, 8), "px of sigma at 480 px long side", focus.blur),
    Corruption("motion-blur", "focus", (5, 11, 21), "px at 480 px long side", focus.motion_blur),
    Corruption("dark", "light", (1, 2, 4), "stops", light.darken),
    Corruption("bright", "light", (0.5, 1, 2), "stops", light.brighten),
    Corruption("contrast", "light", (0.3, 0.6, 0.85), "share lost", light.lower_contrast),
    Corruption("gradient", "light", (1, 2, 4), "stops from end to end", light.light_gradient),
    Corruption("noise", "light", (8, 20, 45), "gray levels of sigma at middle gray", light.add_noise),
    Corruption("hue", "color", (20, 60, 180), "degrees", color.shift_hue),
    Corruption("desaturation", "color", (0.5, 0.8, 1), "share of color lost", color.desaturate),
    Corruption("saturation", "color", (1.5, 2, 4), "times", color.saturate),
    Corruption("cast", "color", (0.5, 1, 2), "stops between channels", color.cast),
    Corruption("jpeg", "artefact", (50, 20, 5), "JPEG quality", artefact.recompress),
    Corruption("blocking", "artefact", (8, 16, 32), "px of a block at 480 px long side", artefact.block),
    Corruption("scratches", "artefact", (5, 20, 60), "scratches", artefact.scratch),
    Corruption("dust", "artefact", (20, 80, 300), "specks", artefact.dust),
    Corruption("text", "artefact", (12, 24, 40), "px of letters at 480 px long side", artefact.stamp),
    Corruption("lines", "artefact", (1, 3, 9), "lines", artefact.draw_lines),
    Corruption("occlusion", "occlusion", (0.1, 0.25, 0.5), "share covered", occlusion.occlude),
    Corruption("clutter", "occlusion", (0.05, 0.15, 0.3), "share covered", occlusion.clutter),
    Corruption("veil", "water", (1, 2, 4, 8), "m of water, Jerlov III", water.oceanic_water),
    Corruption("green-veil", "water", (0.25, 0.5, 1, 2), "m of water, Jerlov 5C", water.coastal_water),
)
CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType({each.name: each for each in _ALL})
"""All of them by name, family by family."""


def mirrored(rgb: Rgb) -> CorruptedImage:
    """The image (H, W, 3) with left and right exchanged."""
    back = np.array([[-1.0, 0, rgb.shape[1] - 1], [0, 1, 0], [0, 0, 1]])
    return CorruptedImage(np.ascontiguousarray(rgb[:, ::-1]), back=back)


MIRROR = Corruption("mirror", "geometry", (1,), "left to right", lambda rgb, level, rng: mirrored(rgb))
"""Not in the common table: a mirrored image is a different scene to a person, too."""


def generator(seed: int, name: str, image: int) -> np.random.Generator:
    """The generator for a corruption of an image: the same whatever else is done, and at every level.

    Args:
        seed: of the probe.
        name: of the corruption.
        image: place of the image in its corpus or listing.
    """
    return np.random.default_rng([seed, zlib.crc32(name.encode()), image])


def corrupt(corruption: Corruption, rgb: Rgb, level: float, *, seed: int, image: int) -> CorruptedImage:
    """Corrupt an image (H, W, 3) with the generator that is meant for it."""
    return corruption.apply(rgb, level, generator(seed, corruption.name, image))


def warp_back(values: npt.NDArray[Any], back: Homography | None, *, nearest: bool = False) -> npt.NDArray[Any]:
    """What belongs to the corrupted image, read at the places of the pixels of the image as it was.

    Args:
        values: (H, W) or (H, W, C) for each pixel of the corrupted image.
        back: of `CorruptedImage`; None returns `values`.
        nearest: read the nearest pixel, as class maps must be, of any integer type; else interpolate, float32.

    Returns:
        Like `values`; what is not `visible_in_both` repeats the border and means nothing.
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


def visible_in_both(back: Homography | None, height: int, width: int) -> Bools:
    """Which pixels (height, width) of the image as it was the corrupted image shows too."""
    if back is None:
        return np.ones((height, width), np.bool_)
    return geometry.inside(*geometry.positions(back, height, width), height, width)


def shows_image(back: Homography | None, height: int, width: int) -> Bools:
    """Which pixels (height, width) of the corrupted image show something of the image; the others are black."""
    return visible_in_both(None if back is None else inverse(back), height, width)


def choose_corruptions(wanted: Sequence[str]) -> tuple[Corruption, ...]:
    """Those of these names, in the order of the table; all of them for none.

    Raises:
        UsageError: an unknown name.
    """
    known = {MIRROR.name: MIRROR, **CORRUPTIONS}
    unknown = next((name for name in wanted if name not in known), None)
    if unknown is not None:
        raise UsageError(f"{named('corruptions', unknown)} is not known; there are {', '.join(known)}")
    return tuple(each for name, each in known.items() if not wanted or name in wanted)

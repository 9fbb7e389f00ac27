"""Pictures of a map over an image: alone, laid over it, as a mask, or with the rest in gray."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named
from segpipe.plots.overlay import draw_borders, find_borders

Rgb = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

Style = Literal["map", "concat", "overlay", "mask", "gray"]

_OPACITY = 0.75
"""Share of the map's color where the map is strongest: what is attended can still be recognized."""


def color_table(name: str) -> Rgb:
    """The 256 colors (256, 3) of one of matplotlib's color maps.

    Raises:
        UsageError: there is none of this name.
    """
    import difflib

    from matplotlib import colormaps  # slow to import: only what draws pays for it

    if name not in colormaps:
        near = difflib.get_close_matches(name, list(colormaps), 1)
        hint = f"did you mean {near[0]}?" if near else "take inferno, viridis, magma, gray or another of matplotlib's"
        raise UsageError(f"{named('cmap', name)} is not a color map; {hint}")
    return np.asarray(np.rint(colormaps[name](np.linspace(0, 1, 256))[:, :3] * 255), np.uint8)


def tint(strength: Float32, table: Rgb) -> Rgb:
    """Color a map (H, W) of 0 to 1 by a table (256, 3)."""
    return np.asarray(table[np.rint(strength * 255).astype(np.uint8)])


def draw(rgb: Rgb, strength: Float32, paint: Rgb, *, style: Style, kept: Bools | None = None) -> Rgb:
    """One picture of a map over an image.

    Args:
        rgb: (H, W, 3) uint8, the image.
        strength: (H, W), 0 to 1.
        paint: (H, W, 3) uint8, the map in colors.
        style: `map` alone; `concat` image and map side by side; `overlay` the map's colors over the image, the
            stronger the more; `mask` the image darkened where the map is weak; `gray` the image without its colors
            there.
        kept: (H, W), what a mass threshold keeps. Its border is drawn on map and image; `overlay`, `mask` and `gray`
            show nothing of the map outside it.

    Returns:
        (H, W, 3) uint8 RGB, (H, 2 W, 3) for `concat`.
    """
    if style == "concat":
        return np.concatenate([_outlined(rgb, kept), _outlined(paint, kept)], axis=1)
    if style == "map":
        return _outlined(paint, kept)
    if style == "overlay":
        strength = strength if kept is None else np.where(kept, strength, np.float32(0))
        return _outlined(_blend(rgb, paint, _OPACITY * strength), kept)
    if kept is not None:  # what is kept is shown as it is: that is what a threshold is for
        strength = kept.astype(np.float32)
    if style == "mask":
        return _blend(np.zeros_like(rgb), rgb, strength)
    gray = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return _blend(np.asarray(gray, np.uint8), rgb, strength)


def outline(rgb: Rgb, kept: Bools) -> Rgb:
    """The image with the border of a region (H, W) drawn into it."""
    return _outlined(rgb, kept)


def _outlined(rgb: Rgb, kept: Bools | None) -> Rgb:
    if kept is None:
        return rgb
    picture = rgb.copy()
    draw_borders(picture, find_borders(kept.astype(np.uint8)))
    return picture


def _blend(below: Rgb, above: Rgb, share: Float32) -> Rgb:
    """`above` laid over `below` with a share (H, W) of 0 to 1."""
    mixed = below + (above.astype(np.float32) - below) * share[..., None]
    return np.rint(mixed).astype(np.uint8)

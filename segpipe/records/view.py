"""How the samples of one raster are looked at, decided once when it is indexed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class View:
    """What the file alone does not say, or says wrongly. The defaults are those of a plain file."""

    bands: tuple[int, ...] = ()
    """Bands that are red, green, blue, counted from 1; one is repeated. Empty: the first ones."""
    opaque: bool = False
    """Its alpha band is not believed: every pixel is image as far as that band goes."""
    nodata: tuple[float | None, ...] = ()
    """No-data values of all its bands that a file beside it states; empty: those of the file."""
    fill: float | None = None
    """A no-data value that nothing declares."""
    any_band: bool = False
    """A pixel is no image where any band that is looked at has its no-data value; else where all have."""
    collar: bool = False
    """What is exactly black or white and reaches its border is no image, as of a mosaic."""
    beside: tuple[str, ...] = ()
    """Names of the files beside it that say which pixels are no image: `.msk`, `.aux.xml`."""
    scale: str = ""
    """Which scaling of the corpus makes 8 bits of it; empty: that of its depth."""
    channels: tuple[str, ...] = ()
    """Names of all that is looked at, in order, where that is not red, green and blue, or gray; else empty."""
    math: tuple[str, ...] = ()
    """Formulas `NAME=EXPRESSION` of those channels that are computed of bands."""
    layers: tuple[str, ...] = ()
    """Files that hold its bands, `BAND=FILE`, relative to the folder of its own, which is the first, `BAND=`.

    Without BAND they are called as the file says. Empty: its own file alone.
    """

    @property
    def files(self) -> tuple[str, ...]:
        """All files besides the image's own that decide on its pixels, relative to its folder."""
        return (*self.beside, *filter(None, (entry.partition("=")[2] for entry in self.layers)))


PLAIN = View()
_LAYER = re.compile(r"[^=/\0]*=((\.\./(?!\.{1,2}/)[^/\0]+/)?(?!\.{1,2}$)[^/\0]+)?")
"""A file beside the image's, or in a folder beside its folder."""


def scales_of(depth: str, view: View) -> tuple[str, ...]:
    """Names of the scalings of a corpus that make 8 bits of an image: of each channel, of all, or none.

    >>> scales_of("uint8", PLAIN), scales_of("uint16", PLAIN), scales_of("uint16", View(channels=("B04", "B08")))
    ((), ('uint16',), ('uint16 B04', 'uint16 B08'))
    """
    if depth == "uint8":
        return ()
    return tuple(f"{depth} {name}" for name in view.channels) or (view.scale or depth,)


def limits_of(depth: str, view: View, scaling: Mapping[str, tuple[float, float]]) -> tuple[Any, Any]:
    """The values of an image that become 0 and 255: two numbers, or two arrays (channels,) float64."""
    names = scales_of(depth, view)
    if not names:
        return 0.0, 255.0
    if not view.channels:
        return scaling[names[0]]
    low, high = np.array([scaling[name] for name in names], np.float64).T
    return low, high


def view_row(view: View) -> dict[str, Any]:
    """What differs from the defaults, as JSON values."""
    values = {field.name: getattr(view, field.name) for field in fields(View)}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value != getattr(PLAIN, name)
    }


def view_of(row: Mapping[str, Any]) -> View:
    """The view of such values.

    Raises:
        ValueError, TypeError: they are none.
    """
    unknown = row.keys() - {field.name for field in fields(View)}
    if unknown:
        raise ValueError(f"{sorted(unknown)} say nothing of a raster")
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    view = View(**values)
    whole = all(type(band) is int and band > 0 for band in view.bands)
    numbers = all(value is None or type(value) in (int, float) for value in (*view.nodata, view.fill))
    texts = all(type(name) is str and "/" not in name and "\0" not in name for name in (*view.beside, view.scale))
    texts = texts and all(type(text) is str and "\0" not in text for text in (*view.channels, *view.math))
    near = all(type(name) is str and _LAYER.fullmatch(name) for name in view.layers)
    flags = type(view.opaque) is type(view.any_band) is type(view.collar) is bool
    if not (whole and numbers and texts and near and flags):
        raise ValueError(f"{dict(row)} say nothing of a raster")
    return view

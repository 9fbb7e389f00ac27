"""How the samples of one raster are looked at, decided once when it is indexed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


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


PLAIN = View()


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
    if not (whole and numbers and texts and type(view.opaque) is type(view.any_band) is type(view.collar) is bool):
        raise ValueError(f"{dict(row)} say nothing of a raster")
    return view

"""Which bands of a raster are red, green and blue: by number, by name, or by what the file says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rasterio.enums import ColorInterp

Wanted = Sequence[int | str]

_COLORS = ("red", "green", "blue")
_KINDS = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
SENSORS = (
    # bands of red, green, blue by the names that archives give them, and a band that only this one has
    ("Sentinel-2", ("b04", "b03", "b02"), frozenset({"b02"})),
    ("Landsat 8 or 9", ("sr_b4", "sr_b3", "sr_b2"), frozenset({"sr_b6"})),
    ("Landsat 4 to 7", ("sr_b3", "sr_b2", "sr_b1"), frozenset({"sr_b5"})),
)
_FEW = 4  # red, green, blue and one more: the usual order


def names_of(dataset: Any) -> list[str]:
    """What the file calls its bands; empty where it does not say."""
    return [(name or "").strip() for name in dataset.descriptions]


def image_bands(dataset: Any) -> list[int]:
    """The bands that are not alpha, counted from 1."""
    kinds = zip(dataset.indexes, dataset.colorinterp, strict=True)
    return [i for i, kind in kinds if kind != ColorInterp.alpha]


def resolve(dataset: Any, wanted: Wanted) -> tuple[int, ...]:
    """Numbers of the bands asked for, by number or by name; case does not count.

    Raises:
        ValueError: the raster does not have them.
    """
    names = names_of(dataset)
    folded = [name.casefold() for name in names]
    asked = ",".join(map(str, wanted))
    found = []
    for band in wanted:
        if isinstance(band, str):
            if folded.count(band.casefold()) != 1:
                raise ValueError(f"has {_bands(dataset)}, none of them alone is {band!r} of index.bands={asked}")
            found.append(folded.index(band.casefold()) + 1)
        else:
            if band > dataset.count:
                raise ValueError(f"has {_bands(dataset)}, and index.bands={asked} asks for band {band}")
            found.append(band)
    return tuple(found)


def numbers(wanted: Wanted) -> tuple[int, ...]:
    """The bands asked for where all of them are numbers: the same for every image of a corpus."""
    return tuple(band for band in wanted if isinstance(band, int)) if not any(map(_is_name, wanted)) else ()


def _is_name(band: int | str) -> bool:
    return isinstance(band, str)


def _bands(dataset: Any) -> str:
    names = [f"{i} {name}" for i, name in enumerate(names_of(dataset)[:16], 1) if name]
    count = "1 band" if dataset.count == 1 else f"{dataset.count} bands"
    return count + (f" ({', '.join(names)})" if names else "")


def said(dataset: Any) -> tuple[tuple[int, ...], str]:
    """The bands that the file itself says are red, green and blue, and how; empty where it does not."""
    bands, names = image_bands(dataset), [name.casefold() for name in names_of(dataset)]
    if all(names.count(color) == 1 for color in _COLORS):
        return tuple(names.index(color) + 1 for color in _COLORS), "by their names"
    for sensor, colors, others in SENSORS:
        if all(names.count(color) == 1 for color in colors) and others & set(names):
            return tuple(names.index(color) + 1 for color in colors), f"by the order of {sensor}"
    kinds = [dataset.colorinterp[i - 1] for i in bands]
    if all(kinds.count(kind) == 1 for kind in _KINDS):
        return tuple(bands[kinds.index(kind)] for kind in _KINDS), "by their colors in the file"
    return (), ""


def choose(dataset: Any, wanted: Wanted) -> tuple[tuple[int, ...], str]:
    """The bands to look at, empty where they are the first ones, and what is to be told of them.

    Raises:
        ValueError: the raster does not have what is asked for.
    """
    names, plain = names_of(dataset), image_bands(dataset)
    first = tuple(plain[:3] if len(plain) >= 3 else plain[:1])
    by_file, why = said(dataset)
    bands = resolve(dataset, wanted) or by_file or first
    titles = ", ".join(f"{i} {names[i - 1]}".strip() for i in bands)
    colors = "red, green, blue" if len(bands) == 3 else "gray"
    note = ""
    if bands != first or len(plain) > _FEW:
        how = "as index.bands says" if wanted else why or "the first ones"
        note = f"of {dataset.count} bands {titles} are looked at as {colors} ({how})"
        if not wanted and not by_file:
            note += f"; index.bands=R,G,B names others{_guess(len(plain))}"
    return (() if numbers(wanted) or bands == first else bands), note


def _guess(count: int) -> str:
    """What bands without names may be, by how many there are."""
    usual = {10: "3,2,1", 12: "4,3,2", 13: "4,3,2", 7: "4,3,2"}.get(count)
    sensor = "Landsat" if count == 7 else "Sentinel-2"
    return f", such as {usual} if these are {sensor}'s in their order" if usual else ""

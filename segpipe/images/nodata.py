"""What says that pixels of a raster hold no image besides the raster itself: files beside it, and its own values.

GDAL looks at files beside a raster by itself; it is kept from that (see `rasters`), and what two of them say of missing
pixels is read here: `NAME.msk`, a TIFF, and `NAME.aux.xml`, in which GDAL keeps what a format cannot hold.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from segpipe.base import files
from segpipe.base.geometry import Box

MASK, NOTES = ".msk", ".aux.xml"

_LARGEST = 1 << 24  # bytes of notes that are read; GDAL's histograms take thousands
_BAND = re.compile(r'<PAMRasterBand band="(\d{1,5})">(.*?)</PAMRasterBand>', re.DOTALL)
_NODATA = re.compile(r"<NoDataValue[^>]*>([^<]{1,64})</NoDataValue>")
_LOWEST = float(np.finfo(np.float32).min)
_FILLS = (_LOWEST, float(np.finfo(np.float64).min), -32768.0, -9999.0, -99999.0, -32767.0)
"""What programs write where there is nothing: the least number of the type, or one that no measurement is."""
_APART = 0.25  # of the range of all other values, between them and a fill
_TWO_VALUED = 0.9  # share of an alpha's pixels that are fully clear or fully opaque, feathered edges left out
_CELL, _CELLS = 512, 64
_CELL_PIXELS = 1 << 22  # a row of strips of a wide raster is no square
_KEPT = 1 << 18  # values of a band of a cell
_TAILS = (0.5, 99.5)


def stated_beside(path: Path, bands: int) -> tuple[tuple[float | None, ...], tuple[str, ...]]:
    """No-data values of all bands from the notes beside a raster, if there are any, and the names of files that matter.

    Args:
        path: the raster.
        bands: how many it has.

    Raises:
        OSError: a file beside it cannot be read.
    """
    names = []
    notes = path.with_name(path.name + NOTES)
    values: tuple[float | None, ...] = ()
    if notes.is_file():
        with notes.open("rb") as file:
            values = parse_notes(file.read(_LARGEST).decode("utf-8", "replace"), bands)
        names += [notes.name] if values else []
    mask = path.with_name(path.name + MASK)
    return values, (*names, *([mask.name] if mask.is_file() else []))


def parse_notes(text: str, bands: int) -> tuple[float | None, ...]:
    """The no-data value of each band in the text of an `.aux.xml`; empty where it states none.

    >>> parse_notes('<PAMRasterBand band="2"><NoDataValue>-1</NoDataValue></PAMRasterBand>', 2)
    (None, -1.0)
    """
    found: dict[int, float] = {}
    for band, body in _BAND.findall(text):
        value = _NODATA.search(body)
        try:
            if value and 1 <= int(band) <= bands:
                found[int(band)] = float(value[1])
        except ValueError:
            continue
    return tuple(found.get(i) for i in range(1, bands + 1)) if found else ()


def fingerprint(path: Path, beside: tuple[str, ...]) -> str:
    """SHA-256, hexadecimal: of a file's bytes, or of those of the files beside it too.

    Raises:
        OSError: one of them cannot be read.
    """
    own = files.sha256(path)
    others = [files.sha256(path.parent / name) for name in beside]
    return hashlib.sha256("".join([own, *others]).encode()).hexdigest() if others else own


@dataclass(frozen=True, slots=True)
class ValueSurvey:
    """What some of a raster's values show."""

    low: float
    """Percentiles 0.5 and 99.5 of the values that are data; both NaN where there are none."""
    high: float
    fill: float | None
    """A value that stands for no data without being declared."""
    two_valued: bool
    """Whether the alpha band looks like one."""


def survey(dataset: Any, shown: list[int], nodata: tuple[float | None, ...], alpha: int | None) -> ValueSurvey:
    """Look at all of a small raster, at 64 places of a large one.

    Args:
        dataset: the opened raster.
        shown: the bands that are looked at, counted from 1.
        nodata: their declared no-data values.
        alpha: its alpha band.
    """
    parts, clear, of = [], 0, 0
    for box in _cells(dataset):
        window = Window(box.left, box.top, box.width, box.height)
        values = dataset.read(shown, window=window)
        for band, stated in zip(values, nodata, strict=True):
            good = np.isfinite(band) if band.dtype.kind == "f" else np.ones(band.shape, bool)
            parts.append(_some(band[good & (band != stated)] if stated is not None else band[good]))
        if alpha is not None:
            opacity = dataset.read(alpha, window=window)
            most = np.iinfo(opacity.dtype).max if opacity.dtype.kind in "iu" else 1
            clear += int(((opacity == 0) | (opacity == most)).sum())
            of += opacity.size
    values = np.concatenate(parts) if parts else np.empty(0, np.float32)
    fill = _fill_of(values) if values.dtype.kind in "if" and all(value is None for value in nodata) else None
    low, high = _range(values if fill is None else values[values != fill])
    return ValueSurvey(low, high, fill, not of or clear >= _TWO_VALUED * of)


def _some(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The least of many values, and evenly chosen others."""
    step = math.ceil(len(values) / _KEPT)
    return values if step <= 1 else np.append(values[::step], values.min())


def _cells(dataset: Any) -> Iterator[Box]:
    height, width = dataset.block_shapes[0]
    wide = max(_CELL, width)
    tall = max(height, min(_CELL, _CELL_PIXELS // wide // height * height))
    cells = [(top, left) for top in range(0, dataset.height, tall) for left in range(0, dataset.width, wide)]
    for top, left in cells[:: math.ceil(len(cells) / _CELLS)]:
        yield Box(top, left, min(tall, dataset.height - top), min(wide, dataset.width - left))


def _fill_of(values: npt.NDArray[Any]) -> float | None:
    """An extreme value far below all others, which stand closer together than it stands to them."""
    least = float(values.min()) if len(values) else 0.0
    if least not in _FILLS:
        return None
    low, high = _range(values[values != least])
    return least if low - least > max(_APART * (high - low), 1.0) else None


def _range(values: npt.NDArray[Any]) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    low, high = np.percentile(values[:: math.ceil(len(values) / (1 << 20))].astype(np.float64), _TAILS)
    return float(low), float(high)

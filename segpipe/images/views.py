"""Decide how a raster is looked at, once, when it is indexed; and say where that is not what one would expect."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from segpipe.images import rasters
from segpipe.images.bands import Wanted, choose, numbers
from segpipe.images.container import Container
from segpipe.images.decoding import decoding
from segpipe.images.mosaics import check_readable
from segpipe.images.nodata import ValueSurvey, stated_beside, survey
from segpipe.records.view import PLAIN, View


@dataclass(frozen=True, slots=True)
class ViewFound:
    """How a raster is looked at."""

    view: View = PLAIN
    notes: tuple[str, ...] = ()
    """What a person is to be told of it."""
    levels: tuple[float, float] | None = None
    """Percentiles 0.5 and 99.5 of its values, where they are deeper than 8 bits and there are any."""


def find_view(path: Path, container: Container, wanted: Wanted, *, any_band: bool, mosaic: bool = False) -> ViewFound:
    """Look at what a raster says of its bands and missing pixels, and at some of its values where that may be wrong.

    Args:
        path: the file.
        container: what its header says; what is no raster is plain.
        wanted: bands, by number or name; empty: what the file says, or the first ones.
        any_band: whether one band without data is enough for a pixel to be no image.
        mosaic: whether it is to be read piece by piece.

    Raises:
        BadImage: it cannot be decoded, or does not have the bands.
    """
    if not container.raster:
        return ViewFound()
    with decoding(path), rasters.open_raster(path, container) as dataset:
        chosen, note = choose(dataset, wanted)
        stated, beside = stated_beside(path, dataset.count) if container.kind == "TIFF" else ((), ())
        view = View(chosen, nodata=stated, beside=beside, any_band=any_band)
        notes = [note] if note else []
        if beside:
            endings = " and ".join(name.removeprefix(path.name) for name in beside)
            notes.append(f"which pixels hold no image is taken from {endings} beside the file")
        bands = rasters.choose_bands(dataset, replace(view, bands=chosen or numbers(wanted)))
        deep = rasters.depth_of(dataset) != "uint8"
        doubted = bands.alpha if container.kind == "TIFF" else None
        if not deep and doubted is None:
            return ViewFound(view, tuple(notes))
        if mosaic:
            check_readable(path, dataset)
        seen = survey(dataset, bands.shown, bands.nodata, doubted)
    return _judged(view, notes, seen, dataset.count if doubted is None else doubted, deep=deep)


def _judged(view: View, notes: list[str], seen: ValueSurvey, alpha: int, *, deep: bool) -> ViewFound:
    if not seen.two_valued:
        notes.append(
            f"band {alpha} is called alpha and is not nearly two-valued (a near infrared?): it masks nothing; "
            f"name it in index.bands to see it"
        )
    if seen.fill is not None:
        notes.append(f"{seen.fill:.7g} far below all other values is taken for no data, though nothing declares it")
    levels = (seen.low, seen.high) if deep and math.isfinite(seen.low) else None
    return ViewFound(replace(view, opaque=not seen.two_valued, fill=seen.fill), tuple(notes), levels)

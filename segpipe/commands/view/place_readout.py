"""Readout of a place: its class, how sure that is, and where on the earth it lies."""

from __future__ import annotations

from typing import Any

from segpipe.base.errors import SegpipeError
from segpipe.commands.view.index_tiles import IndexTiles
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.ops.geodesy import coordinates_of
from segpipe.records.geo import Geo


def read_place(run: OpenedRun, tiles: IndexTiles, number: int, row: float, col: float) -> dict[str, Any]:
    """What is known of a place of an image.

    Raises:
        NotHere: there is no such image, or the place lies outside.
    """
    image = run.image(number)
    if not (0 <= row < image.size.height and 0 <= col < image.size.width):
        raise NotHere(f"{image.id} has {image.size.height} rows and {image.size.width} columns")
    found: dict[str, Any] = {"cluster": None, "margin": None, "world": None, "crs": None, "lonlat": None}
    try:
        found["cluster"], found["margin"] = tiles.at(number, int(row), int(col))
    except (SegpipeError, NotHere) as error:
        found["note"] = str(error)
    if image.geo is not None:
        found |= on_earth(image.geo, row, col)
    return found


def on_earth(geo: Geo, row: float, col: float) -> dict[str, Any]:
    """World coordinates of a place, the name of their system, and longitude and latitude in degrees if it has any.

    >>> on_earth(Geo("", (0.5, 0, 100, 0, -0.5, 200)), 2, 4)
    {'world': [102.0, 199.0], 'crs': None, 'lonlat': None}
    """
    x, y = geo.at(row, col)
    known = coordinates_of(geo.crs)
    return {"world": [x, y], "crs": known.code or known.name or None, "lonlat": _degrees(geo.crs, x, y)}


def _degrees(crs: str, x: float, y: float) -> list[float] | None:
    if not crs:
        return None
    import rasterio.warp
    from rasterio.errors import RasterioError

    try:
        longitudes, latitudes = rasterio.warp.transform(crs, "EPSG:4326", [x], [y])
    except (RasterioError, ValueError):
        return None
    place = [float(longitudes[0]), float(latitudes[0])]
    return place if all(abs(value) <= 360 for value in place) else None

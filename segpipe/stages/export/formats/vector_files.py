"""Polygons of classes for programs that read neither GeoPackage nor GeoParquet: shapefiles and GeoJSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from segpipe.base import files
from segpipe.base.errors import MachineError
from segpipe.images.writing import writing
from segpipe.stages.export.formats.geo_polygons import Shapes, VectorLayer, batches
from segpipe.stages.export.formats.gis_layers import write_layer
from segpipe.stages.export.formats.qml import polygon_style
from segpipe.stages.export.formats.source import Source

_DIGITS = 9  # of degrees: a tenth of a millimeter

_log = logging.getLogger(__name__)


def export_shapefile(source: Source, out: Path) -> int:
    """Shapefiles, one per layer: `shapefile/<layer>.shp` with .dbf, .shx, .cpg, .prj, and its style beside it.

    Columns are class, name, area_m2 and perim_m (area_px and perim_px where no length is known), image: a name of a
    column has ten letters at most there, a text 254 bytes.

    Raises:
        MachineError: a file cannot be written, or not whole.
    """
    style, rows = polygon_style(source.legend.names, source.legend.colors), dict[Path, int]()
    for layer, shapes in batches(source, "shapefile images"):
        path = files.inside(out / "shapefile", f"{layer.name.replace(chr(0), '')}.shp")
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {
            "class": shapes.classes,
            "name": _short(shapes.names),
            layer.area: shapes.areas,
            layer.perimeter.replace("perimeter", "perim"): shapes.perimeters,
            "image": _short(shapes.images),
        }
        write_layer(
            path,
            path.stem,
            shapes.polygons,
            columns,
            crs=layer.crs,
            kind="Polygon",
            append=path in rows,
            driver="ESRI Shapefile",
        )
        rows[path] = rows.get(path, 0) + len(shapes.polygons)
        files.write_text(path.with_suffix(".qml"), style)
    for path, count in rows.items():
        check_shapefile(path, count)
    return 2 * len(rows)


def check_shapefile(path: Path, rows: int) -> None:
    """See that a shapefile that was closed is whole: as long as its heads say, and of as many rows as were written.

    GDAL reads a shapefile whose end is missing without a word (ESRI Shapefile Technical Description, 1998).

    Args:
        path: the .shp; .shx and .dbf lie beside it.
        rows: that were written.

    Raises:
        MachineError: it is not.
    """
    sound = True
    for ending in (".shp", ".shx", ".dbf"):
        file = path.with_suffix(ending)
        size = file.stat().st_size if file.exists() else 0
        head = _head(file)
        if ending == ".dbf":
            count, start, length = (int.from_bytes(head[a:b], "little") for a, b in ((4, 8), (8, 10), (10, 12)))
            sound &= count == rows and size >= start + count * length > 0
        else:
            sound &= size == 2 * int.from_bytes(head[24:28], "big") > 0  # in words of 16 bits
    if not sound:
        raise MachineError(f"{path}: not all of it arrived on the disk; is it full?")


def _head(path: Path) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        return file.read(32)


def _short(texts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Texts of at most 254 bytes of UTF-8, cut between letters."""
    return np.array([text.encode()[:254].decode(errors="ignore") for text in texts], object)


def export_geojson(source: Source, out: Path) -> int:
    """GeoJSON (RFC 7946): `geojson/map.geojson`, all polygons in degrees of WGS 84.

    Images that lie nowhere on the earth, or in a local system, are left out and told; 0 files where that is all.

    Raises:
        MachineError: it cannot be written.
    """
    path, lost = out / "geojson" / "map.geojson", set[str]()
    path.parent.mkdir(parents=True)
    count = 0
    with writing(path), path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for layer, shapes in batches(source, "geojson images"):
            placed = to_degrees(shapes.polygons, layer)
            if placed is None:
                lost.update(shapes.images.tolist())
                continue
            for feature in _features(placed, shapes, layer):
                file.write(("," if count else "") + "\n" + json.dumps(feature, ensure_ascii=False))
                count += 1
        file.write("\n]}\n")
    if lost:
        many = len(lost) != 1
        _log.info(
            "geojson: %d %s in no system that leads to degrees, and %s left out; gpkg and shapefile hold %s",
            len(lost),
            "images lie" if many else "image lies",
            "are" if many else "is",
            "them" if many else "it",
        )
    if not count:
        path.unlink()
    return int(count > 0)


def to_degrees(polygons: npt.NDArray[Any], layer: VectorLayer) -> npt.NDArray[Any] | None:
    """Polygons (n,) of a layer in longitude and latitude of WGS 84; None where nothing leads there."""
    import rasterio.warp
    from rasterio.errors import CRSError

    known = layer.coordinates.projjson
    if not layer.crs or known is None or known["type"] == "EngineeringCRS":  # a local system
        return None

    def move(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if not len(corners):
            return corners
        found = rasterio.warp.transform(layer.crs, "EPSG:4326", *corners.T.tolist())
        return np.round(np.array(found[:2], np.float64).T, _DIGITS)

    try:
        placed = shapely.transform(polygons, move)
    except CRSError:
        return None
    corners = shapely.get_coordinates(placed)
    return None if not np.isfinite(corners).all() else np.asarray(shapely.orient_polygons(placed, exterior_cw=False))


def _features(placed: npt.NDArray[Any], shapes: Shapes, layer: VectorLayer) -> Iterator[dict[str, Any]]:
    columns = (shapes.classes, shapes.names, shapes.areas, shapes.perimeters, shapes.images)
    for polygon, number, name, area, perimeter, image in zip(placed, *columns, strict=True):
        yield {
            "type": "Feature",
            "properties": {
                "class": int(number),
                "name": str(name),
                layer.area: round(float(area), 4),
                layer.perimeter: round(float(perimeter), 4),
                "image": str(image),
            },
            "geometry": shapely.geometry.mapping(polygon),
        }

"""Maps for geographic information systems: polygons of classes, with a style that QGIS finds beside them."""

from __future__ import annotations

import datetime
import json
import sqlite3
import warnings
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from segpipe.base import files
from segpipe.base.errors import MachineError
from segpipe.images.writing import writing
from segpipe.stages.export.formats.geo_polygons import VectorLayer, batches
from segpipe.stages.export.formats.qml import polygon_style
from segpipe.stages.export.formats.source import Source


def export_gpkg(source: Source, out: Path) -> int:
    """A GeoPackage of polygons: `gpkg/map.gpkg`, and its style `gpkg/map.qml`.

    The style also lies in the GeoPackage's own table `layer_styles`, as QGIS keeps it.
    """
    path = out / "gpkg" / "map.gpkg"
    path.parent.mkdir(parents=True)
    style, begun = polygon_style(source.legend.names, source.legend.colors), dict[str, int]()
    for layer, shapes in batches(source, "gpkg images"):
        columns = {
            "class": shapes.classes,
            "name": shapes.names,
            layer.area: shapes.areas,
            layer.perimeter: shapes.perimeters,
            "image": shapes.images,
        }
        write_layer(
            path, layer.name, shapes.polygons, columns, crs=layer.crs, kind="Polygon", append=layer.name in begun
        )
        begun[layer.name] = begun.get(layer.name, 0) + len(shapes.polygons)
    _write_styles(path, list(begun), style)
    check_geopackage(path, begun)
    files.write_text(path.with_suffix(".qml"), style)
    return 2


def write_layer(
    path: Path,
    layer: str,
    shapes: Any,
    columns: dict[str, Any],
    *,
    crs: str,
    kind: str | None,
    append: bool = False,
    driver: str = "GPKG",
) -> None:
    """Write or append rows of a layer of a GeoPackage, or of the file of another of GDAL's drivers.

    Args:
        path: the file.
        layer: its name.
        shapes: (n,) shapely geometries; None for a table without geometry.
        columns: name to (n,) values.
        crs: as WKT; empty: unknown.
        kind: of the geometries, such as `Polygon`.
        append: whether the layer is there already.
        driver: GDAL's name of the kind of file; one of shapefiles holds one layer, called as the file.

    Raises:
        MachineError: it cannot be written.
    """
    from pyogrio import raw  # brings a GDAL of its own, which takes a moment

    with warnings.catch_warnings(), writing(path):
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)  # nothing is known of it
        raw.write(
            path,
            None if shapes is None else shapely.to_wkb(shapes),
            list(columns.values()),
            list(columns),
            layer=layer,
            driver=driver,
            geometry_type=kind,
            encoding="UTF-8",
            crs=crs or None,
            append=append,
        )


def _write_styles(path: Path, layers: list[str], style: str) -> None:
    """The table in which QGIS keeps styles (QgsOgrProvider): found by the layer's name, the default one is used."""
    count = len(layers)
    texts = {
        "f_table_catalog": "",
        "f_table_schema": "",
        "f_table_name": layers,
        "f_geometry_column": "geom",
        "styleName": "classes",
        "styleQML": style,
        "styleSLD": "",
    }
    columns = {key: np.array([text] * count if isinstance(text, str) else text, object) for key, text in texts.items()}
    columns["useAsDefault"] = np.ones(count, np.bool_)
    for key in ("description", "owner", "ui"):
        columns[key] = np.full(count, "", object)
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None, microsecond=0)
    columns["update_time"] = np.full(count, now, "datetime64[ms]")
    write_layer(path, "layer_styles", None, columns, crs="", kind=None)


def check_geopackage(path: Path, layers: Mapping[str, int]) -> None:
    """See that a GeoPackage that was closed is whole, and holds as many rows as were written.

    Args:
        path: the file.
        layers: rows of each layer.

    Raises:
        MachineError: it is not.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            (sound,) = file.execute("PRAGMA quick_check(1)").fetchone()
            found = {
                layer: file.execute('SELECT count(*) FROM "' + layer.replace('"', '""') + '"').fetchone()[0]
                for layer in layers
            }
    except sqlite3.Error as error:
        sound, found = str(error), {}
    if sound != "ok" or found != layers:
        raise MachineError(f"{path}: not all of it arrived on the disk ({sound}, rows: {found}); is it full?")


def export_geoparquet(source: Source, out: Path) -> int:
    """GeoParquet 1.1, a file per layer: `geoparquet/<layer>.parquet`, and its style beside it.

    Raises:
        MachineError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MachineError("geoparquet needs pyarrow; install it with `pip install segpipe[parquet]`") from error
    text = pa.dictionary(pa.int32(), pa.string())
    style = polygon_style(source.legend.names, source.legend.colors)
    writers: dict[str, Any] = {}
    layers: dict[str, VectorLayer] = {}
    bounds: dict[str, Any] = {}
    try:
        for layer, shapes in batches(source, "geoparquet images"):
            box = shapely.bounds(shapes.polygons)
            edges = [pa.array(box[:, i]) for i in range(4)]
            table = pa.table(
                {
                    "geometry": pa.array(shapely.to_wkb(shapes.polygons), pa.binary()),
                    "bbox": pa.StructArray.from_arrays(edges, names=["xmin", "ymin", "xmax", "ymax"]),
                    "class": pa.array(shapes.classes),
                    "name": pa.array(shapes.names, pa.string()).cast(text),
                    layer.area: pa.array(shapes.areas),
                    layer.perimeter: pa.array(shapes.perimeters),
                    "image": pa.array(shapes.images, pa.string()).cast(text),
                }
            )
            if layer.name not in writers:
                path = files.inside(out / "geoparquet", f"{layer.name.replace(chr(0), '')}.parquet")
                path.parent.mkdir(parents=True, exist_ok=True)
                writers[layer.name] = parquet.ParquetWriter(path, table.schema, compression="zstd")
                layers[layer.name], bounds[layer.name] = layer, []
                files.write_text(path.with_suffix(".qml"), style)
            writers[layer.name].write_table(table)
            bounds[layer.name].append(box)
        for name, writer in writers.items():
            box = np.concatenate(bounds[name])
            writer.add_key_value_metadata({"geo": json.dumps(_geo(layers[name], box))})
    finally:
        for writer in writers.values():
            writer.close()
    return 2 * len(writers)


def _geo(layer: VectorLayer, box: Any) -> dict[str, Any]:
    """What GeoParquet 1.1 says of a file (geoparquet.org/releases/v1.1.0)."""
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"] if len(box) else [],
        "crs": layer.coordinates.projjson,
        "orientation": "counterclockwise",
        "edges": "planar",
        "covering": {"bbox": {edge: ["bbox", edge] for edge in ("xmin", "ymin", "xmax", "ymax")}},
    }
    if len(box):
        column["bbox"] = [*box[:, :2].min(0).tolist(), *box[:, 2:].max(0).tolist()]
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}

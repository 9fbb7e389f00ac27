"""Photographs as points on a map: where each was taken, and what share of it each class covers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from segpipe.base.printable import readable
from segpipe.stages.export.formats.gis_layers import check_geopackage, write_layer
from segpipe.stages.export.formats.sanitize import unique
from segpipe.stages.export.formats.source import Source
from segpipe.store import masks

log = logging.getLogger(__name__)

_WGS84 = "EPSG:4326"


def export_points(source: Source, out: Path) -> int:
    """A GeoPackage of points, one for each photograph whose EXIF data hold its place: `points/points.gpkg`.

    Columns: image, share of its pixels without a class (`unclassified`), and a column for each class: its share of
    the pixels with one.
    """
    found = [
        (image, entry) for image, entry in zip(source.corpus.images, source.index, strict=True) if image.gps is not None
    ]
    if not found:
        log.warning("export: no image says where it was taken (GPS in its EXIF data): points wrote nothing")
        return 0
    counts = np.array([masks.count_classes([entry], source.legend)[0] for _, entry in found], float)
    pixels = np.array([image.size.height * image.size.width for image, _ in found], float)
    covered = counts.sum(1)
    shares = counts / np.maximum(covered, 1)[:, None]
    names = unique([readable(name) for name in source.legend.names], ("fid", "geom", "image", "unclassified"))
    columns: dict[str, Any] = {
        "image": np.array([readable(image.id) for image, _ in found], object),
        "unclassified": 1 - covered / pixels,
        **{name: shares[:, k] for k, name in enumerate(names)},
    }
    path = out / "points" / "points.gpkg"
    path.parent.mkdir(parents=True)
    places = np.array([image.gps for image, _ in found])  # latitude, longitude
    write_layer(path, "photographs", shapely.points(places[:, ::-1]), columns, crs=_WGS84, kind="Point")
    check_geopackage(path, {"photographs": len(found)})
    return 1

"""How masks leave a run: one module per kind of file, one function per format, and the table of them.

To add a format: its function, a line in one of the groups below, its name in `export.config`. A group is imported when
one of it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from segpipe.stages.export.formats.source import Source
from segpipe.stages.export.settings import GROUPS

Write = Callable[[Source, Path], int]
"""Writes a format under a folder; returns how many files it wrote."""


def _pictures() -> dict[str, Write]:
    from segpipe.stages.export.formats import certainty, pictures, video

    return {
        "png": pictures.export_png,
        "color": pictures.export_color,
        "overlay": pictures.export_overlay,
        "classes": pictures.export_classes,
        "certainty": certainty.export_certainty,
        "video": video.export_video,
    }


def _maps() -> dict[str, Write]:
    from segpipe.stages.export.formats import geotiff, gis_layers, photo_points, vector_files

    return {
        "cog": geotiff.export_cog,
        "gpkg": gis_layers.export_gpkg,
        "geoparquet": gis_layers.export_geoparquet,
        "shapefile": vector_files.export_shapefile,
        "geojson": vector_files.export_geojson,
        "points": photo_points.export_points,
    }


def _labels() -> dict[str, Write]:
    from segpipe.stages.export.formats import coco, coralnet, cvat, fiftyone, labelstudio, taglab, yolo

    return {
        "coco": coco.export_coco,
        "yolo": yolo.export_yolo,
        "cvat": cvat.export_cvat,
        "labelstudio": labelstudio.export_labelstudio,
        "fiftyone": fiftyone.export_fiftyone,
        "coralnet": coralnet.export_coralnet,
        "taglab": taglab.export_taglab,
    }


_GROUPS: Mapping[str, Callable[[], dict[str, Write]]] = {"pictures": _pictures, "maps": _maps, "labels": _labels}


def _write(group: str, name: str, source: Source, out: Path) -> int:
    return _GROUPS[group]()[name](source, out)


FORMATS: Mapping[str, Write] = {name: partial(_write, group, name) for group, names in GROUPS.items() for name in names}
"""Every format by name."""

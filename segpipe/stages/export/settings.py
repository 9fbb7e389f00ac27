"""Settings of `export`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import field_validator

from segpipe.base.config import Section, setting
from segpipe.base.options import option


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """What the reference says of a format."""

    files: str
    """Pattern of their paths in `export/`."""
    holds: str
    opens: str
    """Programs that read it."""


GROUPS = {
    "pictures": {
        "png": FormatInfo("png/*.png", "index PNGs: value = class, 255 = no class", "anything"),
        "color": FormatInfo("color/*.png", "the same in the classes' colors", "anything"),
        "overlay": FormatInfo(
            "overlay/*.jpg", "the colors over the image; `legend.png` says what they mean", "anything"
        ),
        "classes": FormatInfo(
            "classes.csv",
            "number, name, color, pixels, share and images of every class, and the clusters in it; an apostrophe "
            "stands before names that a spreadsheet would take for formulas",
            "anything",
        ),
        "certainty": FormatInfo(
            "certainty/*", "margin and entropy of every pixel, 0 to 1 as 0 to 255; needs `refine.certainty`", "anything"
        ),
        "video": FormatInfo(
            "video/*.webm", "the frames that were taken of a video, the colors over them", "browsers, VLC, ffmpeg"
        ),
    },
    "maps": {
        "cog": FormatInfo(
            "cog/*.tif*",
            "Cloud-Optimized GeoTIFFs of mosaics and of images that lie on the earth, with color table, class names "
            "and overviews",
            "QGIS, ArcGIS, GDAL",
        ),
        "gpkg": FormatInfo(
            "gpkg/*",
            "`map.gpkg`: a polygon per region with class, name, area, perimeter, image; `map.qml`: names and colors",
            "QGIS, ArcGIS, GDAL, geopandas",
        ),
        "geoparquet": FormatInfo(
            "geoparquet/*",
            "the same as GeoParquet 1.1, and `.qml`; needs `segpipe[parquet]`",
            "geopandas, DuckDB, QGIS",
        ),
        "shapefile": FormatInfo(
            "shapefile/*",
            "the same as shapefiles, one per layer, and `.qml`; texts are cut at 254 bytes",
            "ArcGIS, QGIS, GDAL, geopandas",
        ),
        "geojson": FormatInfo(
            "geojson/map.geojson",
            "the same in degrees of WGS 84 (RFC 7946); what lies nowhere on the earth or in a local system is left out",
            "web maps, QGIS, geopandas",
        ),
        "points": FormatInfo(
            "points/points.gpkg",
            "photographs with GPS as points, each with the share of every class",
            "QGIS, ArcGIS, GDAL",
        ),
    },
    "labels": {
        "coco": FormatInfo(
            "coco/*",
            "`annotations.json`: a mask per region, as run lengths or, with `export.coco=polygon`, as outlines",
            "pycocotools, Detectron2, CVAT, FiftyOne",
        ),
        "yolo": FormatInfo(
            "yolo/*", "`data.yaml`, `labels/`, `images/`: outlines of regions", "Ultralytics YOLO (segment)"
        ),
        "cvat": FormatInfo(
            "cvat/*", '`annotations.zip`, and `labels.json` for a task\'s "Raw" labels', "CVAT (Segmentation mask 1.1)"
        ),
        "labelstudio": FormatInfo(
            "labelstudio/*", "`tasks.json`: brush masks as predictions; `config.xml`: the interface", "Label Studio"
        ),
        "fiftyone": FormatInfo(
            "fiftyone/*",
            "`data/`, `labels/`, `mask_targets.json` (0 is no class)",
            "FiftyOne",
        ),
        "coralnet": FormatInfo(
            "coralnet.csv",
            "Name, Row, Column, Label of sampled points; an apostrophe stands before names that a spreadsheet would "
            "take for formulas, which segpipe takes off again and CoralNet does not",
            "CoralNet, `segpipe evaluate --labels`",
        ),
        "taglab": FormatInfo(
            "taglab/*", "label maps in the classes' colors and `dictionary.json`", "TagLab (import label map)"
        ),
    },
}
"""All formats by name, grouped by what is imported to write them."""
FORMAT_NAMES = tuple(name for names in GROUPS.values() for name in names)
_MEANT = {
    "csv": "classes",
    "geopackage": "gpkg",
    "geotiff": "cog",
    "json": "coco",
    "masks": "png",
    "mp4": "video",
    "parquet": "geoparquet",
    "shp": "shapefile",
    "tif": "cog",
    "tiff": "cog",
}
"""What people type, and the format of it."""


class Config(Section):
    """Settings of `export`."""

    formats: tuple[str, ...] = setting(
        ("png", "color", "overlay", "classes", "cog", "video"), f"what to write: {', '.join(FORMAT_NAMES)}"
    )
    opacity: float = setting(0.5, "share of the class color in overlays and videos, 0 to 1", ge=0, le=1)
    min_area: int = setting(
        0,
        "polygons and labels: regions of fewer pixels join the neighbor they share most border with; 0: none do",
        ge=0,
    )
    simplify: float = setting(
        0.0,
        "polygons: corners are dropped that cut off less than a square of this many pixels; 0: exact outlines",
        ge=0,
    )
    gsd: float | None = setting(
        None, "meters per pixel of images whose coordinates have no length; null: areas are in pixels", gt=0
    )
    layers: Literal["crs", "image"] = setting(
        "crs", "gpkg, geoparquet, shapefile: a layer for all images of a coordinate system (crs), or for each image"
    )
    coco: Literal["rle", "polygon"] = setting("rle", "coco: regions as run lengths (rle), or as polygon")
    images: Literal["link", "copy", "none"] = setting(
        "link", "yolo, fiftyone: whether images lie beside their labels as link, as copy, or not at all (none)"
    )
    image_url: str = setting(
        "/data/local-files/?d=", "labelstudio: what stands before an image's path to make its address"
    )
    points: int = setting(50, "coralnet: points of an image", ge=1, le=100_000)
    sampling: Literal["random", "stratified", "grid"] = setting("stratified", "coralnet: how points are chosen")
    seed: int = setting(0, "coralnet: seed of the points", ge=0)

    @field_validator("formats", mode="before")
    @classmethod
    def _known(cls, formats: Any) -> Any:
        names = formats.split(",") if isinstance(formats, str) else formats
        if not isinstance(names, list | tuple):
            return names  # pydantic says what it must be
        for name in names:
            if name not in FORMAT_NAMES:
                meant = _MEANT.get(str(name).lower())
                close = [meant] if meant else difflib.get_close_matches(str(name), FORMAT_NAMES, 1)
                hint = f"did you mean {close[0]}?" if close else f"formats are {', '.join(FORMAT_NAMES)}"
                raise ValueError(f"holds {name!r}, which is not a format; {hint}")
        return tuple(dict.fromkeys(names))


def formats_option(meaning: str = "what to export") -> Any:
    """The option of commands that export: what `export.formats` is in a config file."""
    return option(
        (),
        f"{meaning}; repeatable",
        flags=("--format", "-f"),
        metavar="NAME[,NAME]",
        commas=True,
        of="export.formats",
    )


def only_option() -> Any:
    """The option of `export` that takes formats away: all but those that it names."""
    return option((), "what to export, and nothing else; repeatable", metavar="NAME[,NAME]", commas=True)

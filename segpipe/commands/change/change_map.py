"""The change map: a Cloud-Optimized GeoTIFF of three bands, and polygons of what changed in a GeoPackage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from segpipe.base.geometry import Box, Size
from segpipe.base.printable import readable
from segpipe.images.decoding import quiet
from segpipe.images.rasters import GDAL_OPTIONS
from segpipe.images.writing import check_tiff, writing
from segpipe.ops.geodesy import coordinates_of, measure
from segpipe.records.geo import Geo
from segpipe.records.legend import Legend
from segpipe.stages.export.formats.geotiff import copy
from segpipe.stages.export.formats.gis_layers import write_layer
from segpipe.stages.export.vector.polygonize import sweep
from segpipe.stages.export.vector.polygons import IMAGE_TRANSFORM, place, polygons_of
from segpipe.stages.export.vector.regions import connect

_BLOCK = 512
_STRIP = 32  # rows: numbers of a pixel are up to 40 bytes on the way to polygons
_CORNERS = 200_000  # of polygons made at a time
_NONE = 65535
_BANDS = ("class at the first date", "class at the second date", "certainty of the change, 0 to 1 as 0 to 254")

Bytes = npt.NDArray[np.uint8]


def moved_geo(geo: Geo | None, box: Box) -> Geo | None:
    """The georeference of a box of a raster."""
    if geo is None:
        return None
    a, b, _, d, e, _ = geo.transform
    x, y = geo.at(box.top, box.left)
    return Geo(geo.crs, (a, b, x, d, e, y))


@contextmanager
def plain_map(
    folder: Path, size: Size, geo: Geo | None
) -> Iterator[tuple[Path, Callable[[Box, Bytes], None], Callable[[], None]]]:
    """A tiled GeoTIFF to be filled, for as long as it is needed.

    Args:
        folder: on the disk that has the room.
        size: of the map.
        geo: where it lies.

    Yields:
        Its path, a function that takes a box and its pixels (h, w, 3), and one that closes the file.

    Raises:
        MachineError: it cannot be written, or not all of it arrived on the disk.
    """
    where: dict[str, Any] = {}
    if geo is not None:
        where = {"crs": CRS.from_wkt(geo.crs) if geo.crs else None, "transform": Affine(*geo.transform)}
    layout = {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "interleave": "pixel", "compress": "deflate"}
    with TemporaryDirectory(prefix=".", suffix=".tmp", dir=folder) as name, rasterio.Env(**GDAL_OPTIONS), quiet():
        path = Path(name, "plain.tif")
        with writing(path):
            file = rasterio.open(
                path, "w", driver="GTiff", height=size.height, width=size.width, count=3, dtype="uint8", nodata=255,
                bigtiff="if_safer", zlevel=1, **layout, **where,
            )  # fmt: skip

        def put(box: Box, pixels: Bytes) -> None:
            bands = np.moveaxis(pixels, -1, 0).copy()
            bands[2] = np.where((bands[0] == 255) | (bands[1] == 255), 255, np.minimum(bands[2], 254))
            with writing(path):
                file.write(bands, window=Window(box.left, box.top, box.width, box.height))

        def close() -> None:
            with writing(path):
                file.close()
            check_tiff(path, size)

        try:
            yield path, put, close
        finally:
            file.close()


def write_cog(plain: Path, path: Path, size: Size, legend: Legend) -> None:
    """The change map as a COG, and names of bands and classes beside it in `.aux.xml`.

    Raises:
        MachineError: it cannot be written.
    """
    with rasterio.Env(**GDAL_OPTIONS), quiet():
        copy(
            plain, path, size, driver="COG", bigtiff="IF_SAFER", overview_resampling="NEAREST", compress="DEFLATE",
            blocksize=_BLOCK,
        )  # fmt: skip
    root = ElementTree.Element("PAMDataset")
    for number, text in enumerate(_BANDS, 1):
        band = ElementTree.SubElement(root, "PAMRasterBand", band=str(number))
        ElementTree.SubElement(band, "Description").text = text
        if number < len(_BANDS):
            names = ElementTree.SubElement(band, "CategoryNames")
            for name in legend.names:
                ElementTree.SubElement(names, "Category").text = name
    ElementTree.indent(root)
    path.with_name(f"{path.name}.aux.xml").write_bytes(bytes(ElementTree.tostring(root, encoding="utf-8")))


def write_polygons(
    plain: Path, path: Path, layer: str, geo: Geo | None, legend: Legend, *, least: int, append: bool
) -> int:
    """The changed regions as a layer of a GeoPackage: from, to, their names, certainty, area.

    Args:
        plain: the map of `plain_map`, closed.
        path: the GeoPackage.
        layer: its layer.
        geo: where the map lies.
        legend: the classes.
        least: pixels of the smallest region that is written.
        append: whether the layer is there already.

    Returns:
        How many regions.

    Raises:
        MachineError: it cannot be written.
    """
    classes = legend.classes
    found = connect(_transitions(plain, classes), _NONE)
    sums = np.zeros(len(found.classes))
    for labels, sure in zip(found.labels(_transitions(plain, classes), _NONE), _rows(plain, 3), strict=True):
        held = labels >= 0
        sums += np.bincount(labels[held], sure[held], minlength=len(sums))
    certainty = sums / np.maximum(found.sizes, 1) / 254
    large = np.flatnonzero(found.sizes >= least)
    number = np.full(len(found.sizes) + 1, -1, np.int32)  # the last one is of pixels without change
    number[large] = np.arange(len(large), dtype=np.int32)
    outlines = sweep(number[labels] for labels in found.labels(_transitions(plain, classes), _NONE))
    coordinates = coordinates_of(geo.crs if geo else "")
    unit = "area_m2" if coordinates.unit is not None else "area_px"
    crs = geo.crs if geo is not None and coordinates.projjson else ""
    for span in outlines.parts(_CORNERS):
        rings = outlines.rings(*span)
        flat = polygons_of(rings) if len(rings.regions) else np.empty(0, object)
        polygons = place(flat, geo.transform if geo else IMAGE_TRANSFORM) if len(flat) else flat
        areas = measure(polygons, coordinates)[0] if unit == "area_m2" and len(flat) else shapely.area(flat)
        own = large[np.unique(rings.regions)]
        was, now = np.divmod(found.classes[own], classes)
        names = np.array([readable(name) for name in legend.names], object)
        columns = {
            "from": was.astype(np.int32),
            "to": now.astype(np.int32),
            "from_name": names[was],
            "to_name": names[now],
            "certainty": certainty[own],
            unit: np.asarray(areas, np.float64),
        }
        write_layer(path, layer, polygons, columns, crs=crs, kind="Polygon", append=append)
        append = True
    return len(large)


def _transitions(plain: Path, classes: int) -> Iterator[npt.NDArray[np.uint16]]:
    """The map in strips (h, W): from * classes + to where it changed, else `_NONE`."""
    for was, now in zip(_rows(plain, 1), _rows(plain, 2), strict=True):
        changed = (was < classes) & (now < classes) & (was != now)
        yield np.where(changed, was.astype(np.int64) * classes + now, _NONE).astype(np.uint16)


def _rows(plain: Path, band: int) -> Iterator[Bytes]:
    """A band in strips of rows that a block is a multiple of: GDAL keeps a row of blocks."""
    with rasterio.Env(**GDAL_OPTIONS), quiet(), rasterio.open(plain, driver="GTiff") as file:
        for top in range(0, file.height, _STRIP):
            yield file.read(band, window=Window(0, top, file.width, min(_STRIP, file.height - top)))

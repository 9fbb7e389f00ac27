"""Masks as maps: Cloud-Optimized GeoTIFFs where their images lie, written window by window.

A COG is a tiled GeoTIFF with reduced pictures of itself at its front (OGC 21-026), which programs read piece by piece,
over a network too. Names and colors of the classes are in the file (color table, and a tag for each class), and once
more beside it in `<id>.tif.aux.xml` (GDAL's persistent auxiliary metadata), where QGIS and ArcGIS look for them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from segpipe.base.geometry import Box, Size
from segpipe.images.decoding import quiet
from segpipe.images.rasters import GDAL_OPTIONS
from segpipe.images.writing import check_png, check_tiff, writing
from segpipe.records.corpus import Image
from segpipe.records.legend import Legend
from segpipe.stages.export.formats.source import Source

_BLOCK = 512
_ONE_WRITER = threading.Lock()
"""One thread at a time writes through GDAL: its cache of blocks belongs to the process, and a block that one thread had
half written was once lost while another thread filled the cache (128 x 384 pixels of a map kept an older state)."""

_log = logging.getLogger(__name__)


def export_cog(source: Source, out: Path) -> int:
    """Cloud-Optimized GeoTIFFs, value = class: `cog/<id>.tif`, of mosaics and of images that lie on the earth."""

    def write(image: Image, path: Path) -> None:
        with map_file(source, image, path.parent) as large:
            options = {"overview_resampling": "MODE", "compress": "DEFLATE", "blocksize": _BLOCK}
            copy(large, path, image.size, driver="COG", bigtiff="IF_SAFER", **options)
        path.with_name(f"{path.name}.aux.xml").write_bytes(describe_classes(source.legend))

    images = source.images
    some = [image for image in images if image.mosaic or image.geo is not None]
    photographs = sum(not image.mosaic and image.geo is None and image.moment is None for image in images)
    asked = source.settings.formats != type(source.settings).model_fields["formats"].default
    if photographs and (some or asked):  # of a folder of photographs nobody expects maps, unless they say so
        _log.info("cog: %d photographs lie nowhere on the earth and are left out", photographs)
    return source.each(write, out / "cog", ".tif", some) if some else 0


@contextmanager
def map_file(source: Source, image: Image, folder: Path) -> Iterator[Path]:
    """The class map of an image as a plain tiled GeoTIFF with colors and names, for as long as it is needed.

    Args:
        source: gives the map.
        image: whose map.
        folder: on the disk that has the room.
    """
    legend = source.legend
    parts = ((box, source.mask(image, box)) for box in source.pieces(image))
    place: dict[str, Any] = {}
    if image.geo is not None:
        crs = CRS.from_wkt(image.geo.crs) if image.geo.crs else None
        place = {"crs": crs, "transform": Affine(*image.geo.transform)}
    with large_file(folder, image.size, parts, legend=legend, **place) as path:
        yield path


@contextmanager
def large_file(
    folder: Path,
    size: Size,
    parts: Iterable[tuple[Box, npt.NDArray[Any]]],
    *,
    count: int = 1,
    legend: Legend | None = None,
    **place: Any,
) -> Iterator[Path]:
    """A tiled GeoTIFF that is written box by box, for as long as it is needed.

    Args:
        folder: where it lies meanwhile.
        size: of the picture.
        parts: boxes that together cover it, and their pixels (h, w) or (h, w, count).
        count: bands.
        legend: gives type, no-data value, colors and names; bands of 8 bits without it.
        place: `crs` and `transform`.

    Raises:
        MachineError: it cannot be written, or not all of it arrived on the disk.
    """
    dtype = "uint8" if legend is None or legend.nodata == 255 else "uint16"
    layout = {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "interleave": "pixel", "compress": "deflate"}
    nodata = None if legend is None else legend.nodata
    with TemporaryDirectory(prefix=".", suffix=".tmp", dir=folder) as name, rasterio.Env(**GDAL_OPTIONS), quiet():
        path = Path(name, "large.tif")
        with _ONE_WRITER, writing(path), rasterio.open(
            path, "w", driver="GTiff", height=size.height, width=size.width, count=count, dtype=dtype, nodata=nodata,
            bigtiff="if_safer", zlevel=1, **layout, **place,
        ) as file:  # fmt: skip
            if legend is not None:
                _describe(file, legend)
            for box, pixels in parts:
                bands = pixels[..., None] if pixels.ndim == 2 else pixels
                file.write(np.moveaxis(bands, -1, 0), window=Window(box.left, box.top, box.width, box.height))
        check_tiff(path, size)
        yield path


def copy(large: Path, path: Path, size: Size, *, driver: Literal["COG", "PNG"], **options: Any) -> None:
    """Write a file of another driver from a tiled one, piece by piece; it appears whole or not at all.

    Args:
        large: the tiled one, of `large_file`.
        path: the new one.
        size: of the picture.
        driver: of GDAL.
        options: of the driver.

    Raises:
        MachineError: it cannot be written, or not all of it arrived on the disk.
    """
    beside = large.with_name("copy")
    with _ONE_WRITER, writing(path):
        rasterio.shutil.copy(large, beside, driver=driver, **options)
    if driver == "PNG":
        check_png(beside, size)
    else:
        check_tiff(beside, size, deep=True)
    beside.replace(path)


def _describe(file: Any, legend: Legend) -> None:
    if legend.nodata == 255:
        file.write_colormap(1, {k: (*color, 255) for k, color in enumerate(legend.colors.tolist())} | {255: (0,) * 4})
    file.set_band_description(1, "class")
    file.update_tags(1, **{f"CLASS_{k}": name for k, name in enumerate(legend.names)})


def describe_classes(legend: Legend) -> bytes:
    """Names and colors of the classes as GDAL's auxiliary metadata: category names and a raster attribute table."""
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    names = ElementTree.SubElement(band, "CategoryNames")
    for name in legend.names:
        ElementTree.SubElement(names, "Category").text = name
    table = ElementTree.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    # types: 0 whole number, 2 text; usages as of GDALRATFieldUsage: 5 value, 2 name, 6 to 8 red, green, blue
    columns = (("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8))
    for i, (name, kind, usage) in enumerate(columns):
        column = ElementTree.SubElement(table, "FieldDefn", index=str(i))
        for key, value in (("Name", name), ("Type", kind), ("Usage", usage)):
            ElementTree.SubElement(column, key).text = str(value)
    for k, (name, color) in enumerate(zip(legend.names, legend.colors.tolist(), strict=True)):
        row = ElementTree.SubElement(table, "Row", index=str(k))
        for cell in (k, name, *color):
            ElementTree.SubElement(row, "F").text = str(cell)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8"))

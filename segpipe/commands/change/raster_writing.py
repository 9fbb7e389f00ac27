"""Pictures of red, green and blue, written as files that `index` takes for what an image of a corpus is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image as Pillow
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from segpipe.base import files
from segpipe.base.geometry import Box, Size, tiles
from segpipe.images.corpus_reader import ReadBox
from segpipe.images.decoding import quiet
from segpipe.images.rasters import GDAL_OPTIONS
from segpipe.images.readers import Pixels
from segpipe.images.writing import writing
from segpipe.records.corpus import Image
from segpipe.records.geo import Geo

_TILE = 2048


def write_like(image: Image, path: Path, size: Size, geo: Geo | None, read: ReadBox) -> Path:
    """Write a picture whole or not at all: a GeoTIFF where `image` is a mosaic or lies on the earth, else a PNG.

    Pixels that hold no image are transparent. Of a GeoTIFF some windows are held at a time.

    Args:
        image: what the picture is like.
        path: without an ending.
        size: of the picture.
        geo: where it lies; None: nowhere.
        read: gives the pixels of a box.

    Returns:
        The path with its ending.

    Raises:
        MachineError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if image.mosaic or geo is not None:
        path = path.with_name(f"{path.name}.tif")
        _write_raster(path, size, geo, read)
        return path
    path = path.with_name(f"{path.name}.png")
    pixels = read(Box(0, 0, size.height, size.width))
    seen = pixels.rgb if pixels.valid is None else _with_alpha(pixels)
    with files.atomic(path) as beside:
        Pillow.fromarray(seen).save(beside, "PNG", compress_level=1)
    return path


def _write_raster(path: Path, size: Size, geo: Geo | None, read: ReadBox) -> None:
    where: dict[str, Any] = {}
    if geo is not None:
        where = {"crs": CRS.from_wkt(geo.crs) if geo.crs else None, "transform": Affine(*geo.transform)}
    with files.atomic(path) as beside, rasterio.Env(**GDAL_OPTIONS), writing(path), quiet(), rasterio.open(
        beside, "w", driver="GTiff", height=size.height, width=size.width, count=4, dtype="uint8", tiled=True,
        blockxsize=512, blockysize=512, compress="deflate", zlevel=1, bigtiff="if_safer", photometric="rgb",
        alpha="yes", **where,
    ) as file:  # fmt: skip
        for box in tiles(size, _TILE):
            window = Window(box.left, box.top, box.width, box.height)
            file.write(np.moveaxis(_with_alpha(read(box)), -1, 0), window=window)


def _with_alpha(pixels: Pixels) -> npt.NDArray[np.uint8]:
    valid = np.ones(pixels.rgb.shape[:2], bool) if pixels.valid is None else pixels.valid
    return np.dstack([pixels.rgb, np.where(valid, 255, 0).astype(np.uint8)])

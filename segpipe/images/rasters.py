"""Rasters: TIFFs of plain bands and deep PNGs, read through GDAL as a whole, in slabs of rows, or box by box.

A file is opened with the one driver that its content calls for, so that no virtual dataset, no archive and no network
address is ever followed, and no file beside it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from segpipe.base.geometry import Box
from segpipe.images.decoding import decoding
from segpipe.images.headers import BadImage, Container
from segpipe.records.geo import Geo

GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_CACHEMAX": 128,  # MB of decoded blocks; GDAL would take a twentieth of the machine
}
"""How GDAL is used wherever segpipe reads or writes with it."""

_DRIVERS = {"TIFF": "GTiff", "PNG": "PNG"}
_SLAB_PIXELS = 1 << 22
"""Rasters are read in slabs of about this many pixels, so that a float64 orthomosaic needs no memory of its size."""


@contextmanager
def open_raster(path: Path, container: Container) -> Iterator[Any]:
    """Open a raster with the one GDAL driver its content calls for, and look at no file beside it."""
    driver = _DRIVERS[container.kind]

    def same_size(dataset: Any) -> Any:
        if (dataset.height, dataset.width) != (container.size.height, container.size.width):
            raise BadImage(path, f"{dataset.width} x {dataset.height} pixels where its header says otherwise")
        return dataset

    with rasterio.Env(**GDAL_OPTIONS):
        try:
            str(path).encode()
        except UnicodeEncodeError:  # GDAL takes UTF-8 names only
            with rasterio.MemoryFile(path.read_bytes()) as memory, memory.open(driver=driver) as dataset:
                yield same_size(dataset)
        else:
            with rasterio.open(path, driver=driver) as dataset:
                yield same_size(dataset)


def depth_of(dataset: Any) -> str:
    """The recorded sample type; all bands of the formats read here share one."""
    dtype = np.dtype(dataset.dtypes[0])
    if dtype.kind not in "iuf":
        raise ValueError(f"samples of type {dtype} are not read; convert to uint8, uint16 or float32")
    return dtype.name if dtype.name in ("uint8", "uint16") else "float32"


def read_geo(path: Path, container: Container) -> tuple[Geo | None, bool]:
    """Where an image's pixels lie on the earth, and whether it has only control points that would say so.

    Without a transform a coordinate system says nothing of the pixels, so both are left out. Only a TIFF that no EXIF
    orientation turns is asked: a transform is that of the stored pixels.
    """
    if container.kind != "TIFF" or container.orientation != 1:
        return None, False
    try:
        with decoding(path), open_raster(path, container) as dataset:
            transform, controlled = dataset.transform, bool(dataset.gcps[0]) or dataset.rpcs is not None
            crs = "" if dataset.crs is None else dataset.crs.to_wkt()
    except BadImage:  # decoding will say so, unless another reader can
        return None, False
    if transform.is_identity:
        return None, controlled
    a, b, c, d, e, f = tuple(transform)[:6]
    if a * e == b * d:  # maps the picture onto a line
        return None, False
    return Geo(crs, (a, b, c, d, e, f)), False


@dataclass(frozen=True, slots=True)
class Bands:
    """Which bands of a dataset are looked at, counted from 1."""

    shown: list[int]
    """One or three."""
    alpha: int | None
    masked: bool
    """Whether the file holds a mask of its own."""


def choose_bands(dataset: Any, wanted: Sequence[int]) -> Bands:
    """The bands that become red, green and blue.

    Args:
        dataset: the opened raster.
        wanted: one or three bands; where empty, the first three that are not alpha, or of fewer the first.

    Raises:
        ValueError: the raster does not have them.
    """
    alphas = [i for i, kind in zip(dataset.indexes, dataset.colorinterp, strict=True) if kind == ColorInterp.alpha]
    bands = [i for i in dataset.indexes if i not in alphas]
    bands = list(wanted) or (bands[:3] if len(bands) >= 3 else bands[:1])
    if not bands:
        raise ValueError("no band holds image")
    if max(bands) > dataset.count:
        raise ValueError(f"has {dataset.count} bands where index.bands={','.join(map(str, bands))} asks for more")
    masked = MaskFlags.per_dataset in dataset.mask_flag_enums[bands[0] - 1] and not alphas
    return Bands(bands, alphas[0] if alphas else None, masked)


def states_nodata(dataset: Any, bands: Bands) -> bool:
    """Whether the file itself says which pixels hold no image."""
    return dataset.nodata is not None or bands.alpha is not None or bands.masked


def read_values(
    dataset: Any, container: Container, bands: Bands, box: Box
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Values (h, w, 1 or 3) of a box in the stored type, and which pixels are valid (h, w), or None for all."""
    window = Window(box.left, box.top, box.width, box.height)
    values = np.moveaxis(dataset.read(bands.shown, window=window), 0, -1)
    checks = []
    if values.dtype.kind == "f":
        checks.append(np.isfinite(values).all(axis=-1))
    if dataset.nodata is not None and not np.isnan(dataset.nodata):
        checks.append((values != float(dataset.nodata)).any(axis=-1))
    if bands.alpha is not None:
        checks.append(dataset.read(bands.alpha, window=window) > 0)
    if bands.masked:
        checks.append(dataset.read_masks(bands.shown[0], window=window) > 0)
    if container.white_is_zero and values.dtype.kind == "u":
        values = np.iinfo(values.dtype).max - values
    return values, np.logical_and.reduce(checks) if checks else None


def slabs(
    dataset: Any, container: Container, wanted: Sequence[int]
) -> Iterator[tuple[slice, npt.NDArray[Any], npt.NDArray[np.bool_] | None]]:
    """Read a raster from top to bottom in slabs of whole blocks.

    Yields:
        Rows of the image, values (rows, W, 1 or 3) in the stored type, and which pixels are valid (rows, W) or None.
    """
    bands = choose_bands(dataset, wanted)
    block = dataset.block_shapes[0][0]
    rows = max(1, _SLAB_PIXELS // dataset.width // block) * block
    for top in range(0, dataset.height, rows):
        height = min(rows, dataset.height - top)
        yield slice(top, top + height), *read_values(dataset, container, bands, Box(top, 0, height, dataset.width))


def to_8_bits(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Map `low` to 0 and `high` to 255, linearly; what lies outside is clipped, NaN becomes 0. uint8 stays."""
    if values.dtype == np.uint8:
        return np.asarray(values)
    with np.errstate(invalid="ignore", over="ignore"):  # signaling NaN, and values near the end of the range
        scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    eight: npt.NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(scaled, copy=False), 0, 255)).astype(np.uint8)
    return eight

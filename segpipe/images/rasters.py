"""Rasters: TIFFs of plain bands, deep PNGs and JPEG 2000, read through GDAL whole, in slabs of rows, or box by box.

A file is opened with the one driver that its content calls for, so that no virtual dataset, no archive and no network
address is ever followed, and no file beside it is looked at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from segpipe.base.geometry import Box, Size
from segpipe.images.bands import image_bands, resolve
from segpipe.images.decoding import decoding
from segpipe.images.headers import BadImage, Container
from segpipe.images.nodata import MASK
from segpipe.records.geo import Geo
from segpipe.records.view import View

GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_CACHEMAX": 128,  # MB of decoded blocks; GDAL would take a twentieth of the machine
}
"""How GDAL is used wherever segpipe reads or writes with it."""

_DRIVERS = {"TIFF": "GTiff", "PNG": "PNG", "JP2": "JP2OpenJPEG"}
_SLAB_PIXELS = 1 << 22
"""Rasters are read in slabs of about this many pixels, so that a float64 orthomosaic needs no memory of its size."""


def _page_of(name: str, container: Container) -> str:
    """GDAL's name of the page of a file."""
    return f"GTIFF_DIR:{container.page + 1}:{name}" if container.page else name


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
            with rasterio.MemoryFile(path.read_bytes()) as memory:
                name = _page_of(memory.name, container)
                with rasterio.open(name, driver=driver) as dataset:
                    yield same_size(dataset)
        else:
            with rasterio.open(_page_of(str(path), container), driver=driver) as dataset:
                yield same_size(dataset)


def depth_of(dataset: Any) -> str:
    """The recorded sample type; all bands of the formats read here share one. A palette's colors are uint8."""
    if dataset.colorinterp[0] == ColorInterp.palette:
        return "uint8"
    dtype = np.dtype(dataset.dtypes[0])
    if dtype.kind not in "iuf":
        raise ValueError(f"samples of type {dtype} are not read; convert to uint8, uint16 or float32")
    return dtype.name if dtype.name in ("uint8", "uint16") else "float32"


def read_geo(path: Path, container: Container) -> tuple[Geo | None, bool]:
    """Where an image's pixels lie on the earth, and whether it has only control points that would say so.

    Without a transform a coordinate system says nothing of the pixels, so both are left out. Only a TIFF that no EXIF
    orientation turns is asked: a transform is that of the stored pixels.
    """
    if container.kind not in ("TIFF", "JP2") or container.orientation != 1:
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


class Composed(ABC):
    """What is read like one opened raster and is put together of others; it knows its own bands and missing pixels."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many channels there are."""

    @abstractmethod
    def values(self, box: Box) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
        """As `read_values`."""

    @abstractmethod
    def reduced(self, box: Box, size: Size) -> npt.NDArray[Any]:
        """As `read_scaled`."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Which bands of a dataset are looked at, counted from 1, and what says that a pixel is no image."""

    shown: list[int]
    """One or three."""
    alpha: int | None
    masked: bool
    """Whether the file holds a mask of its own."""
    nodata: tuple[float | None, ...]
    """The no-data value of each of `shown`."""
    any_band: bool
    """Whether one band without data is enough."""
    colors: npt.NDArray[np.uint8] | None
    """(n, 4) red, green, blue, alpha by stored value, of a palette."""
    beside: Any = None
    """The opened mask that lies beside the file."""


def choose_bands(dataset: Any, view: View) -> Bands:
    """The bands that become red, green and blue.

    Args:
        dataset: the opened raster.
        view: how it is looked at; without bands the first three that are not alpha, or of fewer the first.

    Raises:
        ValueError: the raster does not have them.
    """
    plain = image_bands(dataset)
    shown = list(view.bands) or (plain[:3] if len(plain) >= 3 else plain[:1])
    if not shown:
        raise ValueError("no band holds image")
    resolve(dataset, shown)
    alphas = [i for i in dataset.indexes if i not in plain and i not in shown and not view.opaque]
    masked = MaskFlags.per_dataset in dataset.mask_flag_enums[shown[0] - 1] and len(plain) == dataset.count
    stated = view.nodata if len(view.nodata) == dataset.count else dataset.nodatavals
    nodata = tuple(view.fill if stated[i - 1] is None else stated[i - 1] for i in shown)
    return Bands(shown, alphas[0] if alphas else None, masked, nodata, view.any_band, _palette(dataset, shown))


@contextmanager
def open_view(path: Path, container: Container, view: View) -> Iterator[tuple[Any, Bands]]:
    """Open a raster, and the mask beside it where the view says so; with the bands that are looked at.

    Raises:
        ValueError: it does not have the bands, or the mask beside it has another size.
    """
    with open_raster(path, container) as dataset, ExitStack() as stack:
        bands = choose_bands(dataset, view)
        for name in view.beside:
            if name.endswith(MASK):
                mask = stack.enter_context(rasterio.open(path.with_name(name), driver="GTiff"))
                if mask.shape != dataset.shape:
                    raise ValueError(f"{name} beside it is {mask.width} x {mask.height} pixels; remove or remake it")
                bands = replace(bands, beside=mask)
        yield dataset, bands


def _palette(dataset: Any, shown: Sequence[int]) -> npt.NDArray[np.uint8] | None:
    if len(shown) != 1 or dataset.colorinterp[shown[0] - 1] != ColorInterp.palette:
        return None
    entries = dataset.colormap(shown[0])
    colors = np.zeros((1 + max(entries), 4), np.uint8)
    for value, color in entries.items():
        colors[value] = color
    return colors


def states_nodata(bands: Bands) -> bool:
    """Whether the file itself says which pixels hold no image."""
    return (
        any(value is not None for value in bands.nodata)
        or bands.alpha is not None
        or bands.masked
        or bands.beside is not None
    )


def without_data(values: npt.NDArray[Any], bands: Bands) -> npt.NDArray[np.bool_] | None:
    """Which samples (h, w, 1 or 3) are no data by their value; None where no value says so."""
    stated = [(i, value) for i, value in enumerate(bands.nodata) if value is not None and not np.isnan(value)]
    if not stated:
        return None
    found = np.zeros(values.shape, bool)
    for i, value in stated:
        found[..., i] = values[..., i] == float(value)
    return found


def read_scaled(dataset: Any, container: Container, bands: Bands, box: Box, size: Size) -> npt.NDArray[Any]:
    """Values (size.height, size.width, 1 or 3) of a box scaled down, each that of one pixel, in the stored type.

    Of a raster with overviews the overview next in size is read, else all blocks that the box meets. Which pixels are
    valid is not asked.
    """
    if isinstance(dataset, Composed):
        return dataset.reduced(box, size)
    window = Window(box.left, box.top, box.width, box.height)
    shape = (len(bands.shown), size.height, size.width)
    values = np.moveaxis(dataset.read(bands.shown, window=window, out_shape=shape), 0, -1)
    if bands.colors is not None:
        values = bands.colors[np.minimum(values[..., 0], len(bands.colors) - 1)][..., :3]
    elif container.white_is_zero and values.dtype.kind in "iu":
        values = _turned(values)
    return np.asarray(values)


def read_values(
    dataset: Any, container: Container, bands: Bands, box: Box
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Values (h, w, 1 or 3) of a box in the stored type, and which pixels are valid (h, w), or None for all.

    A palette's are its colors. A single sample without data in a valid pixel has its no-data value.
    """
    if isinstance(dataset, Composed):
        return dataset.values(box)
    window = Window(box.left, box.top, box.width, box.height)
    values = np.moveaxis(dataset.read(bands.shown, window=window), 0, -1)
    checks = []
    if values.dtype.kind == "f":
        checks.append(np.isfinite(values).all(axis=-1))
    missing = without_data(values, bands)
    if missing is not None:
        checks.append(~(missing.any(axis=-1) if bands.any_band else missing.all(axis=-1)))
    if bands.alpha is not None:
        checks.append(dataset.read(bands.alpha, window=window) > 0)
    if bands.masked:
        checks.append(dataset.read_masks(bands.shown[0], window=window) > 0)
    if bands.beside is not None:
        checks.append(bands.beside.read(1, window=window) > 0)
    if bands.colors is not None:
        colors = bands.colors[np.minimum(values[..., 0], len(bands.colors) - 1)]
        values = colors[..., :3]
        if not colors[..., 3].all():
            checks.append(colors[..., 3] > 0)
    elif container.white_is_zero and values.dtype.kind in "iu":
        values = _turned(values)
    return values, np.logical_and.reduce(checks) if checks else None


def data_of(pixels: npt.NDArray[Any], container: Container, bands: Bands) -> npt.NDArray[np.float32]:
    """The samples of some valid pixels (n, 1 or 3) as `read_values` gives them, without those that are no data."""
    stored = _turned(pixels) if container.white_is_zero and pixels.dtype.kind in "iu" else pixels
    missing = without_data(stored, bands) if bands.colors is None else None
    return (pixels.ravel() if missing is None else pixels[~missing]).astype(np.float32)


def stated_value(dataset: Any, container: Container, bands: Bands) -> float | None:
    """The no-data value of the first band as `read_values` gives it; None where none does."""
    stated, dtype = bands.nodata[0], np.dtype(dataset.dtypes[0])
    if stated is None or not container.white_is_zero or dtype.kind not in "iu":
        return None if stated is None else float(stated)
    limits = np.iinfo(dtype)
    return float(limits.max + limits.min - stated)


def _turned(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Whole numbers whose largest is black as if it were white, and back."""
    limits = np.iinfo(values.dtype)
    return np.asarray((limits.max + limits.min) - values)


def slabs(
    dataset: Any, container: Container, bands: Bands
) -> Iterator[tuple[slice, npt.NDArray[Any], npt.NDArray[np.bool_] | None]]:
    """Read a raster from top to bottom in slabs of whole blocks.

    Yields:
        Rows of the image, values (rows, W, 1 or 3) in the stored type, and which pixels are valid (rows, W) or None.
    """
    block = dataset.block_shapes[0][0]
    rows = max(1, _SLAB_PIXELS // weight(dataset) // dataset.width // block) * block
    for top in range(0, dataset.height, rows):
        height = min(rows, dataset.height - top)
        yield slice(top, top + height), *read_values(dataset, container, bands, Box(top, 0, height, dataset.width))


def weight(dataset: Any) -> int:
    """How many times as much as red, green and blue the channels of a stack take; 1 of a raster."""
    return -(-dataset.count // 3) if isinstance(dataset, Composed) else 1


def to_8_bits(values: npt.NDArray[Any], low: Any, high: Any) -> npt.NDArray[np.uint8]:
    """Map `low` to 0 and `high` to 255, linearly; what lies outside is clipped, NaN becomes 0. uint8 stays.

    Args:
        values: (h, w, bands).
        low: a number, or one for each band (bands,).
        high: as `low`, above it.
    """
    if values.dtype == np.uint8:
        return np.asarray(values)
    with np.errstate(invalid="ignore", over="ignore"):  # signaling NaN, and values near the end of the range
        scaled = (values.astype(np.float32) - np.asarray(low, np.float32)) * np.asarray(255 / (high - low), np.float32)
    eight: npt.NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(scaled, copy=False), 0, 255)).astype(np.uint8)
    return eight

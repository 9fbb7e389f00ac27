"""Read still images of any common kind as 8-bit RGB, the right way up, with a mask of the pixels that hold image.

Pillow reads 8-bit photographs, rasterio (GDAL) reads what is deeper than 8 bits and TIFFs of plain bands, because
Pillow crushes 16-bit colour to 8 bits without a word. Of MATLAB files the variable `img` is the image. Which reader is
decided by the file's header, not by its ending.
The first page of a file with several pages, and the first frame of an animation, is the image.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import rasterio
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from segpipe.base.geometry import Size
from segpipe.data import matfile
from segpipe.data.containers import BadImage, Container, inspect

__all__ = ["BadImage", "Pixels", "Probe", "probe_image", "read_image", "sample_values"]

# The classes, not Image.open: it would warn and refuse by the process-wide Image.MAX_IMAGE_PIXELS.
_PILLOW: dict[str, Callable[[BinaryIO], ImageFile]] = {
    "BMP": BmpImageFile,
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "TIFF": TiffImageFile,
    "WEBP": WebPImageFile,
}
_GDAL = {"TIFF": "GTiff", "PNG": "PNG"}
_SLAB_PIXELS = 1 << 22
"""Rasters are read in slabs of about this many pixels, so that a float64 orthomosaic needs no memory of its size."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """A decoded image as displayed: EXIF orientation applied."""

    rgb: npt.NDArray[np.uint8]
    """(H, W, 3); zero where `valid` is False."""
    valid: npt.NDArray[np.bool_] | None
    """(H, W), False where the file holds no image (alpha 0, no-data value, NaN); None where all pixels hold image."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What decoding a file once has shown."""

    size: Size
    """Displayed size."""
    depth: str
    """`uint8`, `uint16`, or `float32` for every other sample type."""


def probe_image(path: Path, *, max_pixels: int) -> Probe:
    """Decode an image completely and keep only what was learned.

    Args:
        path: the file.
        max_pixels: larger images are refused before they are decoded.

    Raises:
        BadImage: missing, empty, of another format, truncated, damaged, too large, or without one valid pixel.
    """
    container = inspect(path)
    height, width = container.size.height, container.size.width
    if height * width > max_pixels:
        raise BadImage(
            path, f"{width} x {height} pixels are more than index.max_pixels={max_pixels}; raise it if they are meant"
        )
    depth, any_valid = "uint8", False
    with _decoding(path):
        if container.raster:
            with _dataset(path, container) as dataset:
                depth = _depth(dataset)
                for _, _, valid in _slabs(dataset, container):
                    any_valid |= valid is None or bool(valid.any())
        elif container.kind == "MAT":
            _read_mat(path)
            any_valid = True
        else:
            alpha = _pillow(path, container, only_alpha=True)
            any_valid = alpha is None or alpha.getextrema() != (0, 0)
    if not any_valid:
        raise BadImage(path, "no pixel holds image: all are transparent, no data or NaN")
    turned = container.orientation >= 5
    return Probe(Size(width, height) if turned else container.size, depth)


def read_image(path: Path, *, depth: str, scaling: Mapping[str, tuple[float, float]]) -> Pixels:
    """Decode an image to 8-bit RGB as displayed.

    Grey images become three equal channels, palettes and CMYK become RGB (without colour management), half-transparent
    pixels keep their colour. Of TIFFs with more than three bands the first three are taken, of two the first.

    Args:
        path: the file.
        depth: the sample type recorded by `probe_image`.
        scaling: for each depth but uint8 the values that become 0 and 255.

    Raises:
        BadImage: the file cannot be decoded, or is no longer of the recorded depth.
    """
    limits = (0.0, 255.0) if depth == "uint8" else scaling[depth]
    container = inspect(path)
    with _decoding(path):
        if container.raster:
            with _dataset(path, container) as dataset:
                found = _depth(dataset)
                if found == depth:
                    rgb, valid = _read_raster(dataset, container, limits)
        elif container.kind == "MAT":
            found, rgb, valid = "uint8", _read_mat(path), None
        else:
            found, (rgb, valid) = "uint8", _read_photograph(path, container)
    if found != depth:
        raise BadImage(path, f"has {found} samples where the corpus recorded {depth}; run `segpipe index` again")
    if valid is not None:
        rgb[~valid] = 0  # what an editor left under transparent pixels is not image
    return Pixels(rgb, valid)


def sample_values(path: Path, *, count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """About `count` values of random valid pixels (each with all its channels) of an image deeper than 8 bits.

    Raises:
        BadImage: the file cannot be decoded.
    """
    container = inspect(path)
    parts = []
    with _decoding(path), _dataset(path, container) as dataset:
        for _, values, valid in _slabs(dataset, container):
            pixels = values.reshape(-1, values.shape[-1]) if valid is None else values[valid]
            if len(pixels):
                share = -(-count * values.shape[0] // dataset.height)
                parts.append(pixels[rng.integers(len(pixels), size=share)].astype(np.float32).ravel())
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _pillow(path: Path, container: Container, *, only_alpha: bool) -> Any:
    """Decode with Pillow: RGB or RGBA, or only the alpha channel (None where there is none)."""
    with path.open("rb") as handle, _PILLOW[container.kind](handle) as image:
        image.load()
        if image.has_transparency_data:
            rgba = image.convert("RGBA")
            return rgba.getchannel("A") if only_alpha else rgba
        return None if only_alpha else image.convert("RGB")


def _read_photograph(path: Path, container: Container) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
    array = np.asarray(_pillow(path, container, only_alpha=False))
    if container.kind != "TIFF":  # Pillow turns TIFFs, and nothing else, by itself
        array = _upright(array, container.orientation)
    valid = array[..., 3] > 0 if array.shape[2] == 4 else None
    return np.array(array[..., :3], order="C"), None if valid is None or valid.all() else valid


def _read_mat(path: Path) -> npt.NDArray[np.uint8]:
    with path.open("rb") as handle:
        return np.array(matfile.read_variable(handle, matfile.IMAGE)[..., :3], order="C")


@contextmanager
def _dataset(path: Path, container: Container) -> Iterator[Any]:
    """Open a raster with the one GDAL driver its content calls for, and look at no file beside it."""
    options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
    with rasterio.Env(**options):
        try:
            str(path).encode()
        except UnicodeEncodeError:  # GDAL takes UTF-8 names only
            with rasterio.MemoryFile(path.read_bytes()) as memory, memory.open(driver=_GDAL[container.kind]) as dataset:
                yield dataset
        else:
            with rasterio.open(path, driver=_GDAL[container.kind]) as dataset:
                yield dataset


def _depth(dataset: Any) -> str:
    """The recorded sample type; all bands of the formats read here share one."""
    dtype = np.dtype(dataset.dtypes[0])
    if dtype.kind not in "iuf":
        raise ValueError(f"samples of type {dtype} are not read; convert to uint8, uint16 or float32")
    return dtype.name if dtype.name in ("uint8", "uint16") else "float32"


def _slabs(
    dataset: Any, container: Container
) -> Iterator[tuple[slice, npt.NDArray[Any], npt.NDArray[np.bool_] | None]]:
    """Read a raster from top to bottom in slabs of whole blocks.

    Yields:
        Rows of the image, values (rows, W, 1 or 3) in the stored type, and which pixels are valid (rows, W) or None.
    """
    alpha = [i for i, kind in zip(dataset.indexes, dataset.colorinterp, strict=True) if kind == ColorInterp.alpha]
    bands = [i for i in dataset.indexes if i not in alpha]
    bands = bands[:3] if len(bands) >= 3 else bands[:1]
    if not bands:
        raise ValueError("no band holds image")
    masked = MaskFlags.per_dataset in dataset.mask_flag_enums[0] and not alpha
    block = dataset.block_shapes[0][0]
    rows = max(1, _SLAB_PIXELS // dataset.width // block) * block
    for top in range(0, dataset.height, rows):
        height = min(rows, dataset.height - top)
        window = Window(0, top, dataset.width, height)
        values = np.moveaxis(dataset.read(bands, window=window), 0, -1)
        checks = []
        if values.dtype.kind == "f":
            checks.append(np.isfinite(values).all(axis=-1))
        if dataset.nodata is not None and not np.isnan(dataset.nodata):
            checks.append((values != float(dataset.nodata)).any(axis=-1))
        if alpha:
            checks.append(dataset.read(alpha[0], window=window) > 0)
        if masked:
            checks.append(dataset.read_masks(bands[0], window=window) > 0)
        if container.white_is_zero and values.dtype.kind == "u":
            values = np.iinfo(values.dtype).max - values
        yield slice(top, top + height), values, np.logical_and.reduce(checks) if checks else None


def _read_raster(
    dataset: Any, container: Container, scaling: tuple[float, float]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
    rgb = np.empty((dataset.height, dataset.width, 3), np.uint8)
    valid = np.ones(rgb.shape[:2], bool)
    for rows, values, good in _slabs(dataset, container):
        rgb[rows] = values if values.dtype == np.uint8 else _to_8_bits(values, *scaling)
        if good is not None:
            valid[rows] = good
    rgb, valid = _upright(rgb, container.orientation), _upright(valid, container.orientation)
    return rgb, None if valid.all() else valid


def _to_8_bits(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Map `low` to 0 and `high` to 255, linearly; what lies outside is clipped, NaN becomes 0."""
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    eight: npt.NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(scaled, copy=False), 0, 255)).astype(np.uint8)
    return eight


def _upright(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn a stored array (H, W, ...) the way EXIF orientation 1 to 8 says it is displayed."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Turn whatever a decoder throws at a damaged file into `BadImage`, and keep its warnings to itself."""
    try:
        with _QUIET:
            yield
    except BadImage:
        raise
    except MemoryError as error:
        raise BadImage(path, "needs more memory than there is") from error
    except Exception as error:  # decoders meet damaged files with any exception there is
        text = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
        raise BadImage(path, f"cannot be decoded: {text[:200]}") from error


class _Quiet:
    """Hides the warnings of Pillow and rasterio while at least one thread is decoding.

    `warnings.catch_warnings` changes the whole process, so that overlapping uses in two threads would restore each
    other's filters. Here the first thread in changes them and the last one out restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\b")
                warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
            self._users += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._filters.__exit__(None, None, None)


_QUIET = _Quiet()

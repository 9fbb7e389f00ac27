"""Read still images of any common kind as 8-bit RGB, the right way up, with a mask of the pixels that hold image.

Pillow reads 8-bit photographs, rasterio (GDAL) reads what is deeper than 8 bits and TIFFs of plain bands, because
Pillow crushes 16-bit color to 8 bits without a word. Of MATLAB files the variable `img` is the image. Which reader is
decided by the file's header, not by its ending.
The first page of a file with several pages that is not marked as a thumbnail, and the first frame of an animation, is
the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from segpipe.base.geometry import Box, Size
from segpipe.images import matfile, rasters
from segpipe.images.collars import collar_of
from segpipe.images.decoding import decoding
from segpipe.images.headers import BadImage, Container, inspect
from segpipe.images.heic import open_heic
from segpipe.records.view import PLAIN, View

__all__ = ["BadImage", "ImageInfo", "Pixels", "open_photograph", "probe_image", "read_image", "sample_values"]

# The classes, not Image.open: it would warn and refuse by the process-wide Image.MAX_IMAGE_PIXELS.
_PILLOW: dict[str, Callable[[BinaryIO], ImageFile]] = {
    "BMP": BmpImageFile,
    "HEIC": open_heic,
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "TIFF": TiffImageFile,
    "WEBP": WebPImageFile,
}


@dataclass(frozen=True, slots=True)
class Pixels:
    """A decoded image as displayed: EXIF orientation applied."""

    rgb: npt.NDArray[np.uint8]
    """(H, W, 3); zero where `valid` is False."""
    valid: npt.NDArray[np.bool_] | None
    """(H, W), False where the file holds no image (alpha 0, no-data value, NaN); None where all pixels hold image."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What decoding a file once has shown."""

    size: Size
    """Displayed size."""
    depth: str
    """`uint8`, `uint16`, or `float32` for every other sample type."""


def probe_image(path: Path, *, max_pixels: int, view: View = PLAIN) -> ImageInfo:
    """Decode an image completely and keep only what was learned.

    Args:
        path: the file.
        max_pixels: larger images are refused before they are decoded.
        view: how it is looked at, of a raster.

    Raises:
        BadImage: missing, empty, of another format, truncated, damaged, too large, or without one valid pixel.
    """
    container = inspect(path)
    check_pixels(path, container.size, max_pixels)
    depth, any_valid = "uint8", False
    with decoding(path):
        if container.raster:
            with rasters.open_view(path, container, view) as (dataset, bands):
                depth = rasters.depth_of(dataset)
                for _, _, valid in rasters.slabs(dataset, container, bands):
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
    return ImageInfo(Size(container.size.width, container.size.height) if turned else container.size, depth)


def check_pixels(path: Path, size: Size, most: int) -> None:
    """Refuse an image of more than `most` pixels, before anything of it is decoded.

    Raises:
        BadImage: it is too large.
    """
    if size.height * size.width > most:
        raise BadImage(
            path,
            f"{size.width} x {size.height} pixels are more than index.max_pixels={most}; raise it if they are meant",
        )


def read_image(path: Path, *, depth: str, scaling: Mapping[str, tuple[float, float]], view: View = PLAIN) -> Pixels:
    """Decode an image to 8-bit RGB as displayed.

    Gray images become three equal channels, palettes and CMYK become RGB (without color management), half-transparent
    pixels keep their color. Of TIFFs with more than three bands the first three are taken, of two the first.

    Args:
        path: the file.
        depth: the sample type recorded by `probe_image`.
        scaling: for each depth but uint8, or scale of a view, the values that become 0 and 255.
        view: how it is looked at, of a raster.

    Raises:
        BadImage: the file cannot be decoded, or is no longer of the recorded depth.
    """
    limits = (0.0, 255.0) if depth == "uint8" else scaling[view.scale or depth]
    container = inspect(path)
    with decoding(path):
        if container.raster:
            with rasters.open_view(path, container, view) as (dataset, bands):
                found = rasters.depth_of(dataset)
                if found == depth:
                    rgb, valid = _read_raster(dataset, container, limits, bands, collar=view.collar)
        elif container.kind == "MAT":
            found, rgb, valid = "uint8", _read_mat(path), None
        else:
            found, (rgb, valid) = "uint8", _read_photograph(path, container)
    if found != depth:
        raise BadImage(path, f"has {found} samples where the corpus recorded {depth}; run `segpipe index` again")
    if valid is not None:
        rgb[~valid] = 0  # what an editor left under transparent pixels is not image
    return Pixels(rgb, valid)


def sample_values(path: Path, *, count: int, rng: np.random.Generator, view: View = PLAIN) -> npt.NDArray[np.float32]:
    """About `count` values of random valid pixels (each with all its channels) of an image deeper than 8 bits.

    Raises:
        BadImage: the file cannot be decoded.
    """
    container = inspect(path)
    parts = []
    with decoding(path), rasters.open_view(path, container, view) as (dataset, bands):
        for _, values, valid in rasters.slabs(dataset, container, bands):
            pixels = values.reshape(-1, values.shape[-1]) if valid is None else values[valid]
            if len(pixels):
                share = -(-count * values.shape[0] // dataset.height)
                parts.append(rasters.data_of(pixels[rng.integers(len(pixels), size=share)], container, bands))
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


@contextmanager
def open_photograph(path: Path, container: Container) -> Iterator[ImageFile]:
    """Open an image with Pillow; nothing is decoded yet."""
    with path.open("rb") as handle, _PILLOW[container.kind](handle) as image:
        if container.page:
            image.seek(container.page)
        yield image


def _pillow(path: Path, container: Container, *, only_alpha: bool) -> Any:
    """Decode with Pillow: RGB or RGBA, or only the alpha channel (None where there is none)."""
    with open_photograph(path, container) as image:
        found, said = image.size, container.size
        if found != (said.width, said.height) and not (container.kind == "TIFF" and found == (said.height, said.width)):
            # before anything of that size is allocated
            raise ValueError(f"{found[0]} x {found[1]} pixels where its header says {said.width} x {said.height}")
        image.load()
        if image.has_transparency_data:
            rgba = image.convert("RGBA")
            return rgba.getchannel("A") if only_alpha else rgba
        return None if only_alpha else image.convert("RGB")


def _read_photograph(path: Path, container: Container) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
    array = np.asarray(_pillow(path, container, only_alpha=False))
    if container.kind != "TIFF":  # Pillow turns TIFFs, and nothing else, by itself
        array = upright(array, container.orientation)
    valid = array[..., 3] > 0 if array.shape[2] == 4 else None
    return np.array(array[..., :3], order="C"), None if valid is None or valid.all() else valid


def _read_mat(path: Path) -> npt.NDArray[np.uint8]:
    with path.open("rb") as handle:
        return matfile.read_variable(handle, matfile.IMAGE, planes=3)


def _read_raster(
    dataset: Any, container: Container, scaling: tuple[float, float], bands: rasters.Bands, *, collar: bool
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
    rgb = np.empty((dataset.height, dataset.width, 3), np.uint8)
    valid, whole = np.ones(rgb.shape[:2], bool), list[npt.NDArray[Any]]()
    for rows, values, good in rasters.slabs(dataset, container, bands):
        rgb[rows] = rasters.to_8_bits(values, *scaling)
        if collar:
            whole.append(values)
        if good is not None:
            valid[rows] = good
    around = collar_of(np.concatenate(whole)) if collar else None
    if around is not None:
        valid &= ~around
    rgb, valid = upright(rgb, container.orientation), upright(valid, container.orientation)
    return rgb, None if valid.all() else valid


def has_collar(path: Path, container: Container, view: View) -> bool:
    """Whether a raster that states no missing pixels has a black or white collar, see `collars`.

    Raises:
        BadImage: the file cannot be decoded.
    """
    with decoding(path), rasters.open_view(path, container, view) as (dataset, bands):
        if rasters.states_nodata(bands):
            return False
        whole = Box(0, 0, dataset.height, dataset.width)
        return collar_of(rasters.read_values(dataset, container, bands, whole)[0]) is not None


def upright(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn a stored array (H, W, ...) the way EXIF orientation 1 to 8 says it is displayed."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)

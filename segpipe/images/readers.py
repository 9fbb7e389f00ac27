"""Read still images of any common kind as 8-bit RGB, the right way up, with a mask of the pixels that hold image.

Pillow reads 8-bit photographs, rasterio (GDAL) reads what is deeper than 8 bits and TIFFs of plain bands, because
Pillow crushes 16-bit color to 8 bits without a word. Of MATLAB files the variable `img` is the image. Which reader is
decided by the file's header, not by its ending.
The first page of a file with several pages that is not marked as a thumbnail, and the first frame of an animation, is
the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size
from segpipe.images import matfile, rasters
from segpipe.images.collars import collar_of
from segpipe.images.decoding import decoding
from segpipe.images.headers import BadImage, Container, inspect
from segpipe.images.photographs import decode, read_photograph, upright
from segpipe.images.stacks import display_of, open_view
from segpipe.records.view import PLAIN, View, limits_of

__all__ = ["BadImage", "ImageInfo", "Pixels", "probe_image", "read_image", "sample_values"]


@dataclass(frozen=True, slots=True)
class Pixels:
    """A decoded image as displayed: EXIF orientation applied."""

    rgb: npt.NDArray[np.uint8]
    """(H, W, 3); zero where `valid` is False."""
    valid: npt.NDArray[np.bool_] | None
    """(H, W), False where the file holds no image (alpha 0, no-data value, NaN); None where all pixels hold image."""
    channels: npt.NDArray[np.uint8] | None = None
    """(H, W, channels) of an image that is more than red, green and blue; zero where `valid` is False.

    Then `rgb` is those three of them that people are shown.
    """

    def cut(self, box: Box) -> Pixels:
        """Those of a box of it."""
        valid = None if self.valid is None else self.valid[box.slices]
        return Pixels(self.rgb[box.slices], valid, None if self.channels is None else self.channels[box.slices])


def pixels_of(
    values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None, limits: tuple[Any, Any], view: View
) -> Pixels:
    """The pixels of stored values (h, w, bands), of which those that are not valid (h, w) become 0.

    Args:
        values: of one or three bands, or of the channels of the view.
        valid: None where all are.
        limits: the values that become 0 and 255, see `limits_of`.
        view: how the image is looked at.
    """
    eight = rasters.to_8_bits(values, *limits)
    if not view.channels:
        rgb = np.empty((*values.shape[:2], 3), np.uint8)
        rgb[:] = eight
        eight = rgb
    elif eight is values:
        eight = eight.copy()
    if valid is not None:
        eight[~valid] = 0  # what an editor left under transparent pixels is not image
    if not view.channels:
        return Pixels(eight, valid)
    return Pixels(np.ascontiguousarray(eight[..., display_of(view.channels)]), valid, eight)


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
        if container.raster or view.channels:
            with open_view(path, container, view) as (dataset, bands):
                depth = rasters.depth_of(dataset)
                for _, _, valid in rasters.slabs(dataset, container, bands):
                    any_valid |= valid is None or bool(valid.any())
        elif container.kind == "MAT":
            _read_mat(path)
            any_valid = True
        else:
            alpha = decode(path, container, only_alpha=True)
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
    container = inspect(path)
    with decoding(path):
        if container.raster or view.channels:
            with open_view(path, container, view) as (dataset, bands):
                found = rasters.depth_of(dataset)
                if found == depth:
                    return _read_raster(dataset, container, limits_of(depth, view, scaling), bands, view)
        elif container.kind == "MAT":
            found, rgb, valid = "uint8", _read_mat(path), None
        else:
            found, (rgb, valid) = "uint8", read_photograph(path, container)
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
    with decoding(path), open_view(path, container, view) as (dataset, bands):
        for _, values, valid in rasters.slabs(dataset, container, bands):
            pixels = values.reshape(-1, values.shape[-1]) if valid is None else values[valid]
            if len(pixels):
                share = -(-count * values.shape[0] // dataset.height)
                parts.append(rasters.data_of(pixels[rng.integers(len(pixels), size=share)], container, bands))
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _read_mat(path: Path) -> npt.NDArray[np.uint8]:
    with path.open("rb") as handle:
        return matfile.read_variable(handle, matfile.IMAGE, planes=3)


def _read_raster(
    dataset: Any, container: Container, limits: tuple[Any, Any], bands: rasters.Bands, view: View
) -> Pixels:
    eight = np.empty((dataset.height, dataset.width, len(view.channels) or 3), np.uint8)
    valid, whole = np.ones(eight.shape[:2], bool), list[npt.NDArray[Any]]()
    for rows, values, good in rasters.slabs(dataset, container, bands):
        eight[rows] = rasters.to_8_bits(values, *limits)
        if view.collar:
            whole.append(values)
        if good is not None:
            valid[rows] = good
    around = collar_of(np.concatenate(whole)) if view.collar else None
    if around is not None:
        valid &= ~around
    if not view.channels:  # those of a stack are upright
        eight, valid = upright(eight, container.orientation), upright(valid, container.orientation)
    return pixels_of(eight, None if valid.all() else valid, (0.0, 255.0), view)


def has_collar(path: Path, container: Container, view: View) -> bool:
    """Whether a raster that states no missing pixels has a black or white collar, see `collars`.

    Raises:
        BadImage: the file cannot be decoded.
    """
    with decoding(path), open_view(path, container, view) as (dataset, bands):
        if rasters.states_nodata(bands):
            return False
        whole = Box(0, 0, dataset.height, dataset.width)
        return collar_of(rasters.read_values(dataset, container, bands, whole)[0]) is not None

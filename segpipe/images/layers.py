"""Layers: one file each of those that hold the bands of an image, read box by box.

A raster is read through GDAL as it is needed. A photograph is decoded when it is opened, and turned as it is displayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp

from segpipe.base.geometry import Box, Size
from segpipe.images import rasters
from segpipe.images.bands import image_bands, names_of
from segpipe.images.container import Container
from segpipe.images.photographs import open_photograph, read_photograph
from segpipe.records.view import View

_COLORS = ("red", "green", "blue")

Values = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]


class BandLayer(Protocol):
    """The bands of one file."""

    @property
    def size(self) -> Size:
        """As it is displayed."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Of all its bands, in order; a band that the file does not name is called by its number."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its samples."""
        ...

    @property
    def image(self) -> tuple[int, ...]:
        """Places of the bands that are not called alpha."""
        ...

    def read(self, places: Sequence[int], box: Box) -> tuple[Values, Bools | None]:
        """The bands at these places of `names` in a box (h, w, n), and which pixels are valid (h, w); None for all.

        A sample without data in a valid pixel is NaN where samples are floats, else its no-data value.
        """
        ...

    def reduced(self, places: Sequence[int], box: Box, size: Size) -> Values:
        """A box scaled down, (size.height, size.width, n), each value that of one pixel; validity is not asked."""
        ...

    def states(self, places: Sequence[int]) -> bool:
        """Whether the file says which pixels of these bands hold no image."""
        ...

    def missing(self, place: int) -> float | None:
        """The value of a band that means no data, as `read` gives it; None where none does."""
        ...


@dataclass(frozen=True, slots=True)
class RasterLayer:
    """A raster that is open."""

    dataset: Any
    container: Container
    view: View
    """No data, alpha and fill as of a plain raster."""
    names: tuple[str, ...]
    image: tuple[int, ...]

    @property
    def size(self) -> Size:
        """Height and width."""
        return Size(self.dataset.height, self.dataset.width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the stored samples."""
        found: np.dtype[Any] = np.dtype(self.dataset.dtypes[0])
        return found

    def _bands(self, places: Sequence[int]) -> rasters.Bands:
        return rasters.choose_bands(self.dataset, replace(self.view, bands=tuple(i + 1 for i in places)))

    def read(self, places: Sequence[int], box: Box) -> tuple[Values, Bools | None]:
        """As of `BandLayer`."""
        bands = self._bands(places)
        values, valid = rasters.read_values(self.dataset, self.container, bands, box)
        missing = rasters.without_data(values, bands) if values.dtype.kind == "f" else None
        return values if missing is None else np.where(missing, np.float32(np.nan), values), valid

    def reduced(self, places: Sequence[int], box: Box, size: Size) -> Values:
        """As of `BandLayer`."""
        return rasters.read_scaled(self.dataset, self.container, self._bands(places), box, size)

    def states(self, places: Sequence[int]) -> bool:
        """As of `BandLayer`."""
        return rasters.states_nodata(self._bands(places))

    def missing(self, place: int) -> float | None:
        """As of `BandLayer`."""
        return rasters.stated_value(self.dataset, self.container, self._bands([place]))


@dataclass(frozen=True, slots=True)
class PhotoLayer:
    """A photograph, decoded."""

    pixels: Values
    """(H, W, 1 or 3) uint8"""
    valid: Bools | None
    names: tuple[str, ...]

    @property
    def image(self) -> tuple[int, ...]:
        """All of them."""
        return tuple(range(len(self.names)))

    @property
    def size(self) -> Size:
        """Height and width as displayed."""
        return Size(*self.pixels.shape[:2])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its samples."""
        return np.dtype(self.pixels.dtype)

    def read(self, places: Sequence[int], box: Box) -> tuple[Values, Bools | None]:
        """As of `BandLayer`."""
        return self.pixels[box.slices][..., list(places)], None if self.valid is None else self.valid[box.slices]

    def reduced(self, places: Sequence[int], box: Box, size: Size) -> Values:
        """As of `BandLayer`."""
        rows, cols = nearest(size.height, box.height), nearest(size.width, box.width)
        return self.pixels[box.slices][rows[:, None], cols][..., list(places)]

    def states(self, places: Sequence[int]) -> bool:
        """As of `BandLayer`."""
        return bool(places) and self.valid is not None

    def missing(self, _: int) -> None:
        """As of `BandLayer`: no value does."""


@contextmanager
def open_layer(path: Path, container: Container, view: View, called: str = "") -> Iterator[BandLayer]:
    """Open one file.

    Args:
        path: the file.
        container: what its header says.
        view: no data, alpha and fill, of a raster.
        called: what a rule calls the file: the name of its one band, or with a number the names of its bands.

    Raises:
        ValueError: it is a palette, a turned raster or a MATLAB file, whose samples are no measured values.
    """
    if not container.raster:
        if container.kind == "MAT":
            raise ValueError("a MATLAB file has no bands but red, green and blue; write it as TIFF")
        yield _photograph(path, container, called)
        return
    if container.orientation != 1:
        raise ValueError("a raster that its EXIF orientation turns has no bands to choose; rewrite it upright")
    with rasters.open_raster(path, container) as dataset:
        if dataset.colorinterp[0] == ColorInterp.palette:
            raise ValueError("a palette has no bands to choose; `gdal_translate -expand rgb IN OUT` makes three of it")
        rasters.depth_of(dataset)
        image = tuple(number - 1 for number in image_bands(dataset))
        yield RasterLayer(dataset, container, view, _names(dataset, dataset.indexes, called), image)


def _names(dataset: Any, numbers: Sequence[int], called: str) -> tuple[str, ...]:
    if called:
        return (called,) if len(numbers) == 1 else tuple(f"{called}{i}" for i in range(1, len(numbers) + 1))
    names = names_of(dataset)
    folded = [name.casefold() for name in names]
    plain = [not name or folded.count(name.casefold()) > 1 for name in names]
    return tuple(str(i) if plain[i - 1] else names[i - 1] for i in numbers)


def _photograph(path: Path, container: Container, called: str) -> PhotoLayer:
    with open_photograph(path, container) as image:
        gray = image.mode in ("1", "L", "LA")
    pixels, valid = read_photograph(path, container)
    pixels = pixels[..., :1] if gray else pixels
    names: tuple[str, ...] = _COLORS if not gray else ("gray",)
    if called:
        names = (called,) if gray else tuple(f"{called}{i}" for i in (1, 2, 3))
    return PhotoLayer(pixels, valid, names)


def nearest(count: int, of: int) -> npt.NDArray[np.intp]:
    """For each of `count` places the nearest of `of`, where both divide the same length evenly."""
    return ((2 * np.arange(count) + 1) * of // (2 * count)).astype(np.intp)


def near_window(start: int, stop: int, whole: int, of: int) -> tuple[int, npt.NDArray[np.intp]]:
    """The first of `of` places that lie nearest to places `start` to `stop` of `whole`, and them, counted from it."""
    places = ((2 * np.arange(start, stop) + 1) * of // (2 * whole)).astype(np.intp)
    return int(places[0]), places - int(places[0])

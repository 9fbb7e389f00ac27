"""Stacks: images of any number of channels, put together of the bands of one file or several, and of band math.

The grid is that of the first file. A band of another resolution is taken at the nearest place, so that a box reads the
same whichever boxes are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp, Interleaving

from segpipe.base.geometry import Box, Size
from segpipe.images import rasters
from segpipe.images.band_math import Formula, parse_formula
from segpipe.images.bands import SENSORS
from segpipe.images.container import Container
from segpipe.images.decoding import decoding
from segpipe.images.headers import inspect
from segpipe.images.layers import BandLayer, near_window, nearest, open_layer
from segpipe.records.view import View

Place = tuple[int, int]
"""A layer, and a band of it, counted from 0."""
Values = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

_NUMBER = re.compile(r"[bB]?(\d{1,4})")
_SHAPES_APART = 0.02  # share by which two files may differ in their aspect ratio
_BLOCK = 512
_SHOWN = 16


def display_of(channels: Sequence[str]) -> list[int]:
    """Places of the three channels that people are shown as red, green and blue: by their names, or the first ones.

    >>> display_of(["B02", "B03", "B04", "B08"]), display_of(["nir"]), display_of(["vv", "vh"])
    ([2, 1, 0], [0, 0, 0], [0, 1, 1])
    """
    folded = [name.casefold() for name in channels]
    for _, colors, _ in (("", ("red", "green", "blue"), 0), ("", ("b4", "b3", "b2"), 0), *SENSORS):
        if all(color in folded for color in colors):
            return [folded.index(color) for color in colors]
    last = len(channels) - 1
    return [0, min(1, last), min(2, last)]


def find_band(name: str, layers: Sequence[BandLayer]) -> Place:
    """Where a band lies: by its name, whose case and signs do not count, or by its number in the first file.

    Raises:
        ValueError: no band, or more than one, is called so.
    """
    wanted = _plain(name)
    found = [(i, j) for i, layer in enumerate(layers) for j, own in enumerate(layer.names) if _plain(own) == wanted]
    number = _NUMBER.fullmatch(name)
    if not found and number and 1 <= int(number[1]) <= len(layers[0].names):
        return 0, int(number[1]) - 1
    if len(found) != 1:
        have = [own for layer in layers for own in layer.names]
        more = ", ..." if len(have) > _SHOWN else ""
        what = f"{len(found)} of them are" if found else "none of them is"
        raise ValueError(f"has the bands {', '.join(have[:_SHOWN])}{more}, and {what} {name!r}, which was asked for")
    return found[0]


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name).casefold()


@dataclass(frozen=True)
class Stack(rasters.Composed):
    """An opened stack; looks like an opened raster to those who read one."""

    layers: tuple[BandLayer, ...]
    channels: tuple[Place | Formula, ...]
    """What each channel is."""
    inputs: Mapping[str, Place]
    """The bands that formulas name."""
    any_band: bool
    """Whether one band without data is enough for a pixel to be no image."""
    block: Size
    """Of what is stored, and decoded, together, in the first file."""
    colorinterp = (ColorInterp.undefined,)
    interleaving = Interleaving.pixel

    @property
    def height(self) -> int:
        """Of the first file."""
        return self.layers[0].size.height

    @property
    def width(self) -> int:
        """Of the first file."""
        return self.layers[0].size.width

    @property
    def count(self) -> int:
        """How many channels there are."""
        return len(self.channels)

    @property
    def block_shapes(self) -> list[tuple[int, int]]:
        """As of a raster."""
        return [(self.block.height, self.block.width)]

    @property
    def eight(self) -> tuple[bool, ...]:
        """Which channels are 8 bits as they are stored."""
        return tuple(isinstance(each, tuple) and self.layers[each[0]].dtype == np.uint8 for each in self.channels)

    @property
    def missing(self) -> tuple[float | None, ...]:
        """The value of each channel that means no data; None where none does, and of formulas."""
        return tuple(self._stated(each) if isinstance(each, tuple) else None for each in self.channels)

    def _stated(self, place: Place) -> float | None:
        return self.layers[place[0]].missing(place[1])

    @property
    def dtypes(self) -> tuple[str, ...]:
        """One type for all channels: that of all bands where they share it, else float32."""
        kinds = {self.layers[i].dtype.name for i in self._used()}
        plain = not any(isinstance(each, Formula) for each in self.channels)
        return (kinds.pop() if plain and len(kinds) == 1 and kinds <= {"uint8", "uint16"} else "float32",)

    def _used(self) -> dict[int, list[int]]:
        """For each layer that is needed the places of its bands."""
        found: dict[int, list[int]] = {}
        for i, j in (*(each for each in self.channels if isinstance(each, tuple)), *self.inputs.values()):
            if j not in found.setdefault(i, []):
                found[i].append(j)
        return found

    def states(self) -> bool:
        """Whether a file says which pixels hold no image."""
        return any(self.layers[i].states(places) for i, places in self._used().items())

    def overviews(self, _: int) -> list[int]:
        """None are used: the files need not have the same."""
        return []

    def values(self, box: Box) -> tuple[Values, Bools | None]:
        """Channels (h, w, n) of a box, and which pixels are valid (h, w); None for all.

        A pixel is no image where all files say so, or one where `any_band`; and where no channel, or not each where
        `any_band`, has a value.
        """
        read: dict[Place, Values] = {}
        masks: dict[int, Bools | None] = {}
        for i, places in self._used().items():
            found, masks[i] = self._near(i, places, box)
            read |= {(i, j): found[..., n] for n, j in enumerate(places)}
        some = [mask for mask in masks.values() if mask is not None]
        whole = self._compose(read, masks)
        if self.any_band:
            if whole.dtype.kind == "f":
                some.append(np.asarray(np.isfinite(whole).all(axis=-1)))
            return whole, np.asarray(np.logical_and.reduce(some)) if some else None
        said = np.asarray(np.logical_or.reduce(some)) if len(some) == len(masks) else None
        if not self.inputs:
            return whole, said
        valued = self._valued(whole)
        return whole, valued if said is None else said & valued

    def _valued(self, whole: Values) -> Bools:
        """The pixels (h, w) of which some channel has a value: what formulas read alone is none."""
        found = np.zeros(whole.shape[:2], np.bool_)
        for n, stated in enumerate(self.missing):
            own = whole[..., n]
            found |= np.isfinite(own) if stated is None else np.isfinite(own) & (own != np.float32(stated))
        return found

    def _near(self, i: int, places: Sequence[int], box: Box) -> tuple[Values, Bools | None]:
        """Bands of a layer in a box of the first file's grid; missing samples of floats are NaN."""
        layer = self.layers[i]
        if layer.size == self.layers[0].size:
            return layer.read(places, box)
        top, rows = near_window(box.top, box.top + box.height, self.height, layer.size.height)
        left, cols = near_window(box.left, box.left + box.width, self.width, layer.size.width)
        values, valid = layer.read(places, Box(top, left, int(rows[-1]) + 1, int(cols[-1]) + 1))
        return values[rows[:, None], cols], None if valid is None else valid[rows[:, None], cols]

    def reduced(self, box: Box, size: Size) -> Values:
        """Channels of a box scaled down, each value that of one pixel; validity is not asked."""
        read: dict[Place, Values] = {}
        for i, places in self._used().items():
            layer = self.layers[i]
            if layer.size == self.layers[0].size:
                found = layer.reduced(places, box, size)
            else:
                top, rows = near_window(box.top, box.top + box.height, self.height, layer.size.height)
                left, cols = near_window(box.left, box.left + box.width, self.width, layer.size.width)
                near = Box(top, left, int(rows[-1]) + 1, int(cols[-1]) + 1)
                some = rows[nearest(size.height, box.height)], cols[nearest(size.width, box.width)]
                found = layer.read(places, near)[0][some[0][:, None], some[1]]
            read |= {(i, j): found[..., n] for n, j in enumerate(places)}
        return self._compose(read, {})

    def _compose(self, read: Mapping[Place, Values], masks: Mapping[int, Bools | None]) -> Values:
        dtype = np.dtype(self.dtypes[0])
        bands = {name: self._numbers(read[place], place, masks.get(place[0])) for name, place in self.inputs.items()}
        parts = [each.compute(bands) if isinstance(each, Formula) else read[each] for each in self.channels]
        with np.errstate(invalid="ignore", over="ignore"):  # of float64 beyond float32
            return np.stack([part.astype(dtype, copy=False) for part in parts], axis=-1)

    def _numbers(self, band: Values, place: Place, valid: Bools | None) -> npt.NDArray[np.float32]:
        """A band as formulas take it: NaN where it has no data, or its file no image."""
        stated = self._stated(place)
        numbers = band.astype(np.float32)
        if stated is not None:
            numbers[band == stated] = np.nan
        if valid is not None:
            numbers[~valid] = np.nan
        return numbers


def make_stack(layers: Sequence[BandLayer], view: View) -> Stack:
    """Find the channels of a view in opened files.

    Raises:
        ValueError: one is missing, or a file has another aspect ratio than the first.
    """
    formulas = {formula.name.casefold(): formula for formula in map(parse_formula, view.math)}
    inputs = {name: find_band(name, layers) for formula in formulas.values() for name in formula.inputs}
    channels = [formulas.get(name.casefold()) or find_band(name, layers) for name in view.channels]
    first = layers[0].size
    for entry, layer in zip(view.layers, layers, strict=bool(view.layers)):
        size = layer.size
        if abs(size.width * first.height / (size.height * first.width) - 1) > _SHAPES_APART:
            raise ValueError(
                f"{entry.partition('=')[2]} beside it is {size.width} x {size.height} pixels, which is another shape "
                f"than {first.width} x {first.height}: it does not show the same; register it first"
            )
    return Stack(tuple(layers), tuple(channels), inputs, view.any_band, _block_of(layers[0]))


@contextmanager
def open_view(path: Path, container: Container, view: View) -> Iterator[tuple[Any, rasters.Bands]]:
    """Open an image as `rasters.open_view` does, or where its view has channels as a stack.

    Raises:
        ValueError: it does not have the bands.
        BadImage: a file that holds some of its bands cannot be used.
    """
    if not view.channels:
        with rasters.open_view(path, container, view) as opened:
            yield opened
        return
    with ExitStack() as opening:
        stack = make_stack(open_layers(opening, path, container, view), view)
        n = stack.count
        yield stack, rasters.Bands([*range(1, n + 1)], None, stack.states(), (None,) * n, view.any_band, None)


def open_layers(opening: ExitStack, path: Path, container: Container, view: View) -> list[BandLayer]:
    """Open the files that a view names, in its order, until `opening` is closed.

    Raises:
        ValueError, BadImage: one cannot be used.
    """
    layers = []
    for entry in view.layers or ("=",):
        called, _, name = entry.partition("=")
        if not name:
            layers.append(opening.enter_context(open_layer(path, container, view, called)))
            continue
        other = path.parent / name
        with decoding(other):
            found = inspect(other)
            layers.append(opening.enter_context(open_layer(other, found, View(any_band=view.any_band), called)))
    return layers


def _block_of(layer: BandLayer) -> Size:
    dataset = getattr(layer, "dataset", None)
    return Size(_BLOCK, layer.size.width) if dataset is None else Size(*map(int, dataset.block_shapes[0]))

"""Photograph tiles of the viewer: JPEG pieces of photographs and mosaics at any scale, cut when they are asked for."""

from __future__ import annotations

import threading
from collections.abc import Hashable

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size
from segpipe.commands.view.mosaic_copy import MosaicCopies
from segpipe.commands.view.mosaic_reader import MosaicReader
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.commands.view.pyramid import TILE, Tile, all_tiles, level_size, levels, tile_at
from segpipe.commands.view.tile_cache import BoundedMap, Stripes, TileCache
from segpipe.images.corpus_reader import read_original
from segpipe.images.scaled_reader import read_small
from segpipe.records.corpus import Image

Rgb = npt.NDArray[np.uint8]
_QUALITY = 85
SMALL = 4
"""Times that a photograph is smaller from where on it need not be decoded as a whole."""
THUMB, PATCH = 160, 128
"""Longer side of a thumbnail and of a patch, pixels at most."""


class PhotoTiles:
    """Pieces of the photographs of a run."""

    def __init__(self, run: OpenedRun, cache: TileCache, copies: MosaicCopies, *, memory: int) -> None:
        """Hold at most about `memory` bytes of decoded photographs."""
        self._run, self._cache, self._copies = run, cache, copies
        self._decoded = BoundedMap[list[Rgb]](memory)
        self._decoding, self._few = Stripes(), threading.BoundedSemaphore(2)
        self._mosaics = MosaicReader()

    def close(self) -> None:
        """Close the mosaics that are open."""
        self._mosaics.close()

    def tile(self, number: int, level: int, col: int, row: int) -> tuple[bytes, bool]:
        """A tile as JPEG, and whether it is final: a mosaic may be shown coarsely while a smaller copy is made.

        Raises:
            NotHere: there is no such image or tile.
            CorpusError: the image file is gone or has changed.
        """
        image = self._run.image(number)
        tile = tile_at(image.size, level, col, row)
        if tile is None:
            raise NotHere(f"image {number} has no tile {level}/{col}/{row}; it has {levels(image.size)} levels")
        key = ("photo", self._run.artefacts, number, level, col, row)
        return self._kept(key, number, image, tile, tile.size)

    def thumb(self, number: int) -> tuple[bytes, bool]:
        """A whole image as a small JPEG, and whether it is final."""
        image = self._run.image(number)
        whole, count = Box(0, 0, image.size.height, image.size.width), levels(image.size)
        drawn = next((level for level in range(count) if _longest(level_size(image.size, level)) >= THUMB), count - 1)
        tile = Tile(whole, level_size(image.size, drawn), 1 << (count - 1 - drawn))
        return self._kept(("thumb", self._run.artefacts, number), number, image, tile, image.size.fit(THUMB))

    def patch(self, number: int, box: Box) -> tuple[bytes, bool]:
        """A box of an image as a JPEG of at most 128 pixels, and whether it is final; what lies outside is cut off."""
        image = self._run.image(number)
        inside = clip_box(box, image.size)
        scale = max(1, max(inside.height, inside.width) // (2 * PATCH))
        scale = min(1 << (scale.bit_length() - 1), 1 << (levels(image.size) - 1))
        drawn = Size(max(1, inside.height // scale), max(1, inside.width // scale))
        key = ("patch", self._run.artefacts, number, inside)
        return self._kept(key, number, image, Tile(inside, drawn, scale), inside.size.fit(PATCH))

    def _kept(self, key: Hashable, number: int, image: Image, tile: Tile, size: Size) -> tuple[bytes, bool]:
        """A part of an image drawn at a size, from the cache where it is there."""
        found = self._cache.get(key)
        if found is not None:
            return found, True
        if image.mosaic and not self._copies.ready(number, image, tile.scale, self._run):
            return encode_jpeg(_shrunk(self._copies.coarse(number, image, tile, self._run), size)), False
        made = self._cache.get_or_make(key, lambda: encode_jpeg(_shrunk(self._pixels(number, image, tile), size)))
        return made, True

    def _pixels(self, number: int, image: Image, tile: Tile) -> Rgb:
        if image.mosaic:
            copied = self._copies.cut(number, tile, self._run)
            if copied is not None:
                return copied
            return self._mosaics.read(self._run, number, tile.box, tile.size)
        steps = tile.scale.bit_length() - 1
        small = self._small(number, image) if tile.scale >= SMALL else None
        scaled = self._photograph(number, image)[steps] if small is None else small[steps - SMALL.bit_length() + 1]
        top, left = tile.box.top // tile.scale, tile.box.left // tile.scale
        return scaled[top : top + tile.size.height, left : left + tile.size.width]

    def _small(self, number: int, image: Image) -> list[Rgb] | None:
        """The smaller scales of a photograph, from the first that can be had without decoding all of it."""
        key = "small", self._run.artefacts, number
        found = self._decoded.get(key)
        if found is None and self._decoded.get((self._run.artefacts, number)) is None:
            with self._decoding(key):
                found = self._decoded.get(key)
                if found is None:
                    rgb = read_small(self._run.corpus, image, SMALL)
                    if rgb is None:
                        return None
                    found = scales(rgb, levels(image.size) - SMALL.bit_length() + 1)
                    self._decoded.put(key, found, sum(each.nbytes for each in found))
        return found

    def _photograph(self, number: int, image: Image) -> list[Rgb]:
        """A photograph in all its scales, the largest first."""
        key = self._run.artefacts, number
        found = self._decoded.get(key)
        if found is not None:
            return found
        with self._decoding(key), self._few:
            found = self._decoded.get(key)
            if found is None:
                found = scales(read_original(self._run.corpus, image).rgb, levels(image.size))
                if not self._decoded.put(key, found, sum(each.nbytes for each in found)):
                    self._keep_tiles(number, image.size, found)
            return found

    def _keep_tiles(self, number: int, size: Size, found: list[Rgb]) -> None:
        """What is too large to be held is cut at once, so that it need not be decoded for every tile."""
        for level, col, row in all_tiles(size):
            part = found[levels(size) - 1 - level][row * TILE : (row + 1) * TILE, col * TILE : (col + 1) * TILE]
            key = ("photo", self._run.artefacts, number, level, col, row)
            self._cache.put(key, encode_jpeg(part), often=False)


def scales(rgb: Rgb, count: int) -> list[Rgb]:
    """An image (H, W, 3) in `count` scales, the largest first, each of half the rows and columns of the one before."""
    found = [rgb]
    while len(found) < count:
        height, width = found[-1].shape[:2]
        size = -(-width // 2), -(-height // 2)
        found.append(np.asarray(cv2.resize(found[-1], size, interpolation=cv2.INTER_AREA)))
    return found


def clip_box(box: Box, size: Size) -> Box:
    """What of a box lies in an image; its nearest pixel where nothing does.

    >>> clip_box(Box(90, 90, 20, 20), Size(100, 50))
    Box(top=90, left=49, height=10, width=1)
    """
    top, left = min(box.top, size.height - 1), min(box.left, size.width - 1)
    return Box(top, left, min(box.height, size.height - top), min(box.width, size.width - left))


def encode_jpeg(rgb: Rgb) -> bytes:
    """(h, w, 3) RGB as JPEG."""
    done, found = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done
    return bytes(found)


def _longest(size: Size) -> int:
    return max(size.height, size.width)


def _shrunk(rgb: Rgb, size: Size) -> Rgb:
    if size == Size(*rgb.shape[:2]):
        return rgb
    return np.asarray(cv2.resize(rgb, (size.width, size.height), interpolation=cv2.INTER_AREA))

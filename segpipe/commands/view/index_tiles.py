"""Index tiles of the viewer: clusters of the masks as PNG, which the browser colors by a table.

Red is the high byte of the cluster, green the low byte (65535: no data), blue the margin of the class map where it was
made, 0 to 255, and 255 where not. Smaller levels show single pixels: clusters are never blended.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.errors import SegpipeError
from segpipe.base.geometry import Box, Size, tiles
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.commands.view.photo_tiles import THUMB
from segpipe.commands.view.pyramid import Tile, level_size, levels, tile_at
from segpipe.commands.view.tile_cache import BoundedMap, Stripes, TileCache
from segpipe.records.corpus import Image
from segpipe.records.palette import nodata
from segpipe.store import certainty, masks

NODATA = 65535
Mask = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
_LEAST = 8  # times smaller than a mosaic is what is kept of its whole mask


class IndexTiles:
    """Pieces of the masks of a run."""

    def __init__(self, run: OpenedRun, cache: TileCache, *, memory: int) -> None:
        """Hold at most about `memory` bytes of decoded masks."""
        self._run, self._cache = run, cache
        self._decoded = BoundedMap[Mask](memory)
        self._small = BoundedMap[tuple[Mask, Mask | None]](memory // 2)
        self._decoding, self._few = Stripes(), threading.BoundedSemaphore(2)

    def tile(self, number: int, level: int, col: int, row: int) -> bytes:
        """A tile as PNG.

        Raises:
            NotHere: there is no such image, tile or mask.
            UsageError: the mask is missing or damaged.
        """
        image = self._run.image(number)
        tile = tile_at(image.size, level, col, row)
        if tile is None:
            raise NotHere(f"image {number} has no tile {level}/{col}/{row}; it has {levels(image.size)} levels")
        key = ("index", self._run.artefacts, number, level, col, row)
        return self._cache.get_or_make(key, lambda: self._drawn(image, tile))

    def thumb(self, number: int) -> bytes:
        """A whole mask as a small PNG."""
        image = self._run.image(number)
        whole = Box(0, 0, image.size.height, image.size.width)
        tile = Tile(whole, level_size(image.size, 0), 1 << (levels(image.size) - 1))
        size = image.size.fit(THUMB)

        def make() -> bytes:
            clusters, margin = self._values(image, tile)
            small = (np.linspace(0.5, length - 0.5, out).astype(np.int64) for out, length in _pairs(size, tile.size))
            place = np.ix_(*small)
            return encode_index(clusters[place], None if margin is None else margin[place])

        return self._cache.get_or_make(("indexthumb", self._run.artefacts, number), make)

    def at(self, number: int, row: int, col: int) -> tuple[int | None, float | None]:
        """The cluster of a pixel, None for no data, and its margin 0 to 1, None where it was not made."""
        image = self._run.image(number)
        clusters, margin = self._values(image, Tile(Box(row, col, 1, 1), Size(1, 1), 1))
        found = int(clusters[0, 0])
        if found == NODATA:
            return None, None
        return found, None if margin is None else float(margin[0, 0]) / 255

    def reduced(self, number: int, side: int) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8] | None, int]:
        """A whole mask at the largest scale of its pyramid of at most `side` pixels, its margin, and that scale."""
        image = self._run.image(number)
        scale = 1
        while max(image.size.height, image.size.width) > side * scale:
            scale *= 2
        size = Size(-(-image.size.height // scale), -(-image.size.width // scale))
        whole = Box(0, 0, image.size.height, image.size.width)
        return *self._values(image, Tile(whole, size, scale)), scale

    def _drawn(self, image: Image, tile: Tile) -> bytes:
        return encode_index(*self._values(image, tile))

    def _values(self, image: Image, tile: Tile) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8] | None]:
        entry = self._run.mask_entry(image)
        directory, empty = self._run.root / "masks", nodata(self._run.mask_clusters)
        if "tile" in entry and tile.scale >= _LEAST:
            small, margin = self._whole(directory, entry)
            picked = _picks(tile, _LEAST)
            found = small[np.ix_(*picked)]
            margin = None if margin is None else margin[np.ix_(*picked)]
        else:
            found, margin = self._parts(directory, entry, tile)
        clusters = found.astype(np.uint16)
        clusters[found == empty] = NODATA
        return clusters, None if margin is None else np.asarray(margin, np.uint8)

    def _parts(self, directory: Path, entry: Mapping[str, Any], tile: Tile) -> tuple[Mask, Mask | None]:
        """The pixels of a tile, of the one or more pictures that hold them."""
        size = Size(entry["height"], entry["width"])
        rows, cols = (picks + start for picks, start in zip(tile.picks, (tile.box.top, tile.box.left), strict=True))
        found: Mask | None = None
        margins: npt.NDArray[np.uint8] | None = np.full((len(rows), len(cols)), 255, np.uint8)
        for piece in tiles(size, entry.get("tile", max(size.height, size.width)), tile.box):
            mask, margin = self._piece(directory, entry, piece)
            (top, bottom), (left, right) = (
                np.searchsorted(places, ends).tolist()
                for places, ends in ((rows, (piece.top, piece.bottom)), (cols, (piece.left, piece.right)))
            )
            place = np.ix_(rows[top:bottom] - piece.top, cols[left:right] - piece.left)
            found = np.empty((len(rows), len(cols)), mask.dtype) if found is None else found
            found[top:bottom, left:right] = mask[place]
            if margin is None or margins is None:
                margins = None
            else:
                margins[top:bottom, left:right] = margin[place]
        assert found is not None
        return found, margins

    def _whole(self, directory: Path, entry: Mapping[str, Any]) -> tuple[Mask, Mask | None]:
        """The mask of a mosaic, scaled down; one of its tiles is held at a time."""
        key = "whole", self._run.artefacts, entry["id"]
        found = self._small.get(key)
        if found is not None:
            return found
        with self._decoding(key):
            found = self._small.get(key)
            if found is None:
                size = Size(entry["height"], entry["width"])
                drawn = Size(-(-size.height // _LEAST), -(-size.width // _LEAST))
                found = self._parts(directory, entry, Tile(Box(0, 0, size.height, size.width), drawn, _LEAST))
                self._small.put(key, found, sum(each.nbytes for each in found if each is not None))
            return found

    def _piece(self, directory: Path, entry: Mapping[str, Any], piece: Box) -> tuple[Mask, Mask | None]:
        """A picture of a mask, and of its margin."""
        key = self._run.artefacts, entry["id"], piece
        mask = self._decoded.get(key)
        if mask is None:
            with self._decoding(key), self._few:
                mask = self._decoded.get(key)
                if mask is None:
                    mask = masks.read_part(directory, entry, piece)
                    self._decoded.put(key, mask, mask.nbytes)
        if "margin" not in entry:
            return mask, None
        margin = self._decoded.get(("margin", *key))
        if margin is None:
            path = certainty.certainty_path(directory, "margin", entry["id"], piece if "tile" in entry else None)
            with suppress(SegpipeError):  # the classes are worth showing without it
                margin = certainty.read_certainty(path)
                self._decoded.put(("margin", *key), margin, margin.nbytes)
        return mask, margin if margin is not None and margin.shape == mask.shape else None


def _picks(tile: Tile, scale: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns of a copy `scale` times smaller that stand for the pixels of a tile."""
    step = tile.scale // scale
    rows, cols = (
        np.minimum(start // scale + np.arange(out) * step + step // 2, -(-end // scale) - 1)
        for start, out, end in (
            (tile.box.top, tile.size.height, tile.box.bottom),
            (tile.box.left, tile.size.width, tile.box.right),
        )
    )
    return rows, cols


def _pairs(size: Size, drawn: Size) -> tuple[tuple[int, int], tuple[int, int]]:
    return (size.height, drawn.height), (size.width, drawn.width)


def encode_index(values: npt.NDArray[np.uint16], margin: npt.NDArray[np.uint8] | None = None) -> bytes:
    """Values (h, w) as an RGB PNG: high byte, low byte, margin."""
    bgr = np.empty((*values.shape, 3), np.uint8)
    bgr[..., 0] = 255 if margin is None else margin
    bgr[..., 1] = values & 255
    bgr[..., 2] = values >> 8
    done, found = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done
    return bytes(found)

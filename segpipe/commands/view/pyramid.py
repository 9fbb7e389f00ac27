"""Pyramid of an image: which pixels a tile of which level shows. Deep Zoom without overlap, but for level numbers.

Level 0 is the smallest, the whole image in one tile; every level has twice the rows and columns of the one before, the
last one those of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size

TILE = 256
"""Side of a tile, pixels."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile."""

    box: Box
    """Its pixels of the image."""
    size: Size
    """What it is drawn as."""
    scale: int
    """Pixels of the image along the side of one of its own, a power of two."""

    @property
    def picks(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Rows (size.height,) and columns (size.width,) of the box whose pixels stand for those of the tile."""
        rows, cols = (
            np.minimum(np.arange(out) * self.scale + self.scale // 2, length - 1)
            for out, length in ((self.size.height, self.box.height), (self.size.width, self.box.width))
        )
        return rows, cols


def levels(size: Size) -> int:
    """How many levels an image has.

    >>> levels(Size(256, 100)), levels(Size(257, 100)), levels(Size(20_000, 20_000))
    (1, 2, 8)
    """
    tiles = -(-max(size.height, size.width) // TILE)
    return (tiles - 1).bit_length() + 1


def level_size(size: Size, level: int) -> Size:
    """Rows and columns of a level.

    >>> level_size(Size(257, 100), 0)
    Size(height=129, width=50)
    """
    scale = 1 << (levels(size) - 1 - level)
    return Size(-(-size.height // scale), -(-size.width // scale))


def tile_at(size: Size, level: int, col: int, row: int) -> Tile | None:
    """The tile of a level in a column and row of tiles; None where there is none.

    >>> tile_at(Size(300, 600), 2, 2, 1)
    Tile(box=Box(top=256, left=512, height=44, width=88), size=Size(height=44, width=88), scale=1)
    """
    if not 0 <= level < levels(size) or col < 0 or row < 0:
        return None
    scale = 1 << (levels(size) - 1 - level)
    top, left = row * TILE * scale, col * TILE * scale
    if top >= size.height or left >= size.width:
        return None
    box = Box(top, left, min(TILE * scale, size.height - top), min(TILE * scale, size.width - left))
    return Tile(box, Size(-(-box.height // scale), -(-box.width // scale)), scale)


def all_tiles(size: Size) -> list[tuple[int, int, int]]:
    """Level, column and row of every tile of an image, the smallest level first."""
    found = []
    for level in range(levels(size)):
        drawn = level_size(size, level)
        rows, cols = (-(-length // TILE) for length in (drawn.height, drawn.width))
        found += [(level, col, row) for row in range(rows) for col in range(cols)]
    return found

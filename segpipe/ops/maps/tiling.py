"""A mosaic's class map in tiles that show no seam.

All tiles of a mosaic lie on one canvas, of which each computes a square and a margin around it: codes of the same
windows are blended there, the CRF sees the same colors, and only the square is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Grid, Size
from segpipe.ops.crf.dense_crf import refine_probabilities
from segpipe.ops.maps.segment import CropCodes, Field, classify_at
from segpipe.ops.maps.segment_config import SegmentConfig

CORE = 576
"""Side of a tile in canvas pixels: what a CRF of 32 classes takes on tile and margin stays below 0.9 GB."""
MARGIN = 160
"""Canvas pixels around a tile, 2.4 standard deviations of the CRF's far kernel."""
_LARGEST = 6.0  # image pixels for a canvas pixel: a tile and its margin are read at full size

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TileLattice:
    """How a mosaic is cut for refining. All numbers are such that tiles and margins are whole pixels."""

    factor: float
    """Image pixels for a canvas pixel, a multiple of 1/4, at least 1."""
    core: int = CORE
    """Canvas pixels, a multiple of 4."""
    margin: int = MARGIN
    """Canvas pixels, a multiple of 4."""

    def __post_init__(self) -> None:
        if self.factor < 1 or 4 * self.factor % 1 or self.core % 4 or self.margin % 4 or self.core < 4:
            raise ValueError(f"not a lattice of whole pixels: {self}")

    @property
    def tile(self) -> int:
        """Side of a tile in image pixels."""
        return int(self.core * self.factor)

    def halved(self) -> TileLattice:
        """Of half as many canvas pixels a side, for the same tiles and margins of image pixels."""
        return TileLattice(2 * self.factor, self.core // 2, self.margin // 2)

    def around(self, tile: Box, size: Size) -> Box:
        """A tile with its margin, as far as it lies in an image of this size."""
        return tile.grown(int(self.margin * self.factor), size)

    def canvas(self, box: Box) -> Size:
        """Canvas pixels that cover a box; of a scaled canvas a multiple of 4, so that they cover whole image pixels."""
        step = 1 if self.factor == 1 else 4
        height, width = (step * math.ceil(length / self.factor / step) for length in (box.height, box.width))
        return Size(height, width)


def plan_lattice(boxes: Sequence[Box], grids: Sequence[Grid], *, side: int) -> TileLattice:
    """The lattice on which a window of a mosaic has about the canvas that a photograph would have, or a finer one.

    Args:
        boxes: the mosaic's windows.
        grids: their patch grids; a canvas has at least as many pixels as there are patches.
        side: longest side of a photograph's canvas.

    >>> plan_lattice([Box(0, 0, 896, 896)], [], side=480).factor
    1.75
    """
    window = max(max(box.height, box.width) for box in boxes)
    side = max(side, *(max(grid.rows, grid.cols) for grid in grids), 1)
    return TileLattice(min(_LARGEST, max(1.0, math.floor(4 * window / side) / 4)))


def tile_probabilities(
    crops: CropCodes, rgb: Bytes, config: SegmentConfig, *, tile: Box, around: Box, lattice: TileLattice
) -> Field:
    """Class probabilities around a tile, and where its pixels lie among them: what `label_at` makes classes of.

    Args:
        crops: the windows that meet `around`; where there is none, any class may come.
        rgb: (around.height, around.width, 3), the pixels of `around`.
        config: centers and constants; `side` is that of the lattice, `splits` are left out.
        tile: what is wanted; its corner lies on the lattice.
        around: the same with its margin, as of `TileLattice.around`.
        lattice: how the mosaic is cut.

    Returns:
        (h, w, K) probabilities on the canvas, and the positions of the tile's rows and columns on it.
    """
    out, factor = lattice.canvas(around), lattice.factor
    # what hangs over the image's border repeats the border
    y = around.top + np.minimum((np.arange(out.height) + 0.5) * factor, around.height - 0.5)
    x = around.left + np.minimum((np.arange(out.width) + 0.5) * factor, around.width - 0.5)
    probabilities, _ = classify_at(crops, config, y, x)
    if config.crf is not None:
        small = _scaled(rgb, out, factor)
        probabilities = refine_probabilities(probabilities, small, config.crf, threads=config.threads)
    probabilities = probabilities.transpose(1, 2, 0)
    inner = tile.within(around)
    if factor == 1:
        return probabilities[inner.slices], None, None
    rows, cols = (
        np.asarray((np.arange(first, last) + 0.5) / factor - 0.5, np.float64)
        for first, last in ((inner.top, inner.bottom), (inner.left, inner.right))
    )
    return probabilities, rows, cols


def _scaled(rgb: Bytes, out: Size, factor: float) -> Bytes:
    if factor == 1:
        return rgb
    below, right = int(out.height * factor) - rgb.shape[0], int(out.width * factor) - rgb.shape[1]
    whole = np.pad(rgb, ((0, below), (0, right), (0, 0)), mode="edge")
    return np.asarray(cv2.resize(whole, (out.width, out.height), interpolation=cv2.INTER_AREA))

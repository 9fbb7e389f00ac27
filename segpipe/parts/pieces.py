"""Class maps piece by piece: a photograph is one piece, a mosaic is cut into tiles, each made as if it were the whole.

What a worker holds at a time is one piece, whatever the size of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Grid, Size, tiles
from segpipe.data.originals import open_original, read_original
from segpipe.ops.crf import Crf
from segpipe.ops.segment import Labels, segment
from segpipe.ops.tiling import Lattice, plan_lattice, segment_tile
from segpipe.records.corpus import Corpus, Image
from segpipe.records.labels import nodata

ReadCodes = Callable[[int, bool], npt.NDArray[np.floating]]
"""From a row of the feature store, and whether the mirrored crop is meant, to codes (rows, cols, d)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An image of a corpus, and what the feature store holds of it."""

    corpus: Corpus
    image: Image
    rows: Sequence[int]
    """Rows of the feature store."""
    boxes: Sequence[Box]
    """Of the crops of these rows."""
    grids: Sequence[Grid]

    @property
    def whole(self) -> Box:
        """All pixels."""
        return Box(0, 0, self.image.size.height, self.image.size.width)


@dataclass(frozen=True, slots=True)
class How:
    """How codes become classes; see `ops.segment.segment`."""

    centers: npt.NDArray[np.float32]
    members: npt.NDArray[np.integer] | None
    classes: int
    side: int
    sharpness: float
    flip: bool
    crf: Crf | None
    threads: int = 1


def tile_side(shown: Shown, how: How) -> int | None:
    """Side in pixels of the tiles of a mosaic's map; None for a photograph."""
    return plan_lattice(shown.boxes, shown.grids, side=how.side).tile if shown.image.mosaic else None


def pieces(size: Size, side: int | None) -> list[Box]:
    """The pieces of an image's map, which together cover it; `side` as of `tile_side`."""
    return [Box(0, 0, size.height, size.width)] if side is None else tiles(size, side)


def label_piece(shown: Shown, piece: Box, how: How, read: ReadCodes, *, lattice: Lattice | None = None) -> Labels:
    """The classes (h, w) of a piece; pixels that hold no image are `nodata`.

    Args:
        shown: the image.
        piece: one of `pieces`.
        how: the classes.
        read: gives the codes.
        lattice: another than the planned one.

    Raises:
        CorpusError: the image file is gone or has changed since it was indexed.
    """
    label = _label_tile if shown.image.mosaic else _label_photograph
    labels, valid = label(shown, piece, how, read, lattice)
    if valid is not None:
        labels[~valid] = nodata(how.classes)
    return labels


def _label_photograph(
    shown: Shown, piece: Box, how: How, read: ReadCodes, lattice: Lattice | None
) -> tuple[Labels, npt.NDArray[np.bool_] | None]:
    pixels = read_original(shown.corpus, shown.image)
    labels = segment(
        [read(row, False) for row in shown.rows],
        shown.grids,
        shown.boxes,
        pixels.rgb,
        how.centers,
        members=how.members,
        side=how.side,
        sharpness=how.sharpness,
        crf=how.crf,
        mirrored=[read(row, True) for row in shown.rows] if how.flip else None,
        threads=how.threads,
    )
    return labels, pixels.valid


def _label_tile(
    shown: Shown, piece: Box, how: How, read: ReadCodes, lattice: Lattice | None
) -> tuple[Labels, npt.NDArray[np.bool_] | None]:
    lattice = lattice or plan_lattice(shown.boxes, shown.grids, side=how.side)
    around = lattice.around(piece, shown.image.size)
    with open_original(shown.corpus, shown.image) as read_box:
        pixels = read_box(around)
    valid = None if pixels.valid is None else pixels.valid[piece.within(around).slices]
    if valid is not None and not valid.any():
        return np.zeros(valid.shape, np.uint8 if how.classes <= 255 else np.uint16), valid
    some = [i for i, box in enumerate(shown.boxes) if box.meets(around)]
    labels = segment_tile(
        [read(shown.rows[i], False) for i in some],
        [shown.grids[i] for i in some],
        [shown.boxes[i] for i in some],
        pixels.rgb,
        how.centers,
        tile=piece,
        around=around,
        lattice=lattice,
        members=how.members,
        sharpness=how.sharpness,
        crf=how.crf,
        mirrored=[read(shown.rows[i], True) for i in some] if how.flip else None,
        threads=how.threads,
    )
    return labels, valid

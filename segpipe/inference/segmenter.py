"""Class maps piece by piece: a photograph is one piece, a mosaic is cut into tiles, each made as if it were the whole.

What a worker holds at a time is one piece, whatever the size of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Grid, Size
from segpipe.images.corpus_reader import open_original, read_original
from segpipe.ops.crf.dense_crf import Crf
from segpipe.ops.maps.certainty import Map, certainty_at
from segpipe.ops.maps.segment import Field, Labels, divide, label_at, places, probabilities
from segpipe.ops.maps.tiling import Lattice, plan_lattice, tile_probabilities
from segpipe.records.clusters import ClusterModel, Split
from segpipe.records.corpus import Corpus, Image
from segpipe.records.palette import nodata

ReadCodes = Callable[[int, bool], npt.NDArray[np.floating]]
"""From a row of the feature store, and whether the mirrored crop is meant, to codes (rows, cols, d)."""
See = Callable[[npt.NDArray[np.float32], npt.NDArray[np.integer] | None, bool], Field]
"""From centers and their members to how probable each class is at the pixels of a piece; coarsely, if True."""


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
    """Parts of split ones counted."""
    side: int
    sharpness: float
    flip: bool
    crf: Crf | None
    certainty: bool = False
    """Whether margin and entropy are wanted too."""
    threads: int = 1
    splits: tuple[Split, ...] = ()
    """Clusters cut further, pixel by pixel inside the map that the others leave them."""

    def halved(self) -> How:
        """On a canvas of half the side."""
        return replace(self, side=self.side // 2, crf=None if self.crf is None else self.crf.halved())


def how_of(clusters: ClusterModel, made: Mapping[str, Any], *, crf: bool = True) -> How:
    """How masks were made, by what their header or a bundle says: side, sharpness, flip, and crf unless left out."""
    return How(
        centers=clusters.centers,
        members=clusters.members,
        classes=clusters.clusters,
        side=made["side"],
        sharpness=made["sharpness"],
        flip=made["flip"],
        crf=Crf(**made["crf"]) if crf and made["crf"] is not None else None,
        splits=clusters.splits,
    )


def tile_side(shown: Shown, how: How) -> int | None:
    """Side in pixels of the tiles of a mosaic's map; None for a photograph."""
    return plan_lattice(shown.boxes, shown.grids, side=how.side).tile if shown.image.mosaic else None


def see_piece(
    shown: Shown, piece: Box, how: How, read: ReadCodes, *, lattice: Lattice | None = None
) -> tuple[Labels, tuple[Map, Map] | None]:
    """The classes (h, w) of a piece and, where wanted, their margin and entropy, as of `certainty_pixels`.

    Pixels that hold no image are `nodata`, and 0 in the others.

    Args:
        shown: the image.
        piece: one of `mask_tiles`.
        how: the classes.
        read: gives the codes.
        lattice: another than the planned one.

    Raises:
        CorpusError: the image file is gone or has changed since it was indexed.
    """
    see, valid = _open_piece(shown, piece, how, read, lattice)
    maps: tuple[Map, Map] | None = None
    labels: Labels
    if see is None:
        empty = np.zeros((piece.height, piece.width), np.uint8)
        labels = empty.copy() if how.classes <= 255 else empty.astype(np.uint16)
        maps = (empty, empty.copy()) if how.certainty else None
    else:
        field = see(how.centers, how.members, False)
        labels = divide_labels(label_at(*field), how, see)
        maps = certainty_at(*field) if how.certainty else None
    if valid is not None:
        labels[~valid] = nodata(how.classes)
        for values in maps or ():
            values[~valid] = 0
    return labels, maps


def divide_piece(shown: Shown, piece: Box, how: How, read: ReadCodes, labels: Labels) -> Labels:
    """A finished map (h, w) of a piece with the clusters of `how.splits` cut further, the very map of `see_piece`.

    Args:
        shown: the image.
        piece: one of `mask_tiles`.
        how: the classes.
        read: gives the codes; not asked where no cluster of the map is split.
        labels: clusters before these splits, and `nodata(how.classes)`; may be changed in place.

    Raises:
        CorpusError: the image file is gone or has changed since it was indexed.
    """
    if not any((labels == split.cluster).any() for split in how.splits):
        return divide(labels, (), lambda split: labels, classes=how.classes)
    see, _ = _open_piece(shown, piece, how, read, None)
    return labels if see is None else divide_labels(labels, how, see)


def divide_labels(labels: Labels, how: How, see: See) -> Labels:
    """Clusters (h, w) of a piece with those of `how.splits` cut further.

    The border of a cluster is there already. How it is divided inside is seen coarsely, on a canvas of half the side,
    which takes a quarter of the time.
    """
    return divide(
        labels, how.splits, lambda split: label_at(*see(split.centers, split.members, True)), classes=how.classes
    )


def _open_piece(
    shown: Shown, piece: Box, how: How, read: ReadCodes, lattice: Lattice | None
) -> tuple[See | None, npt.NDArray[np.bool_] | None]:
    """What tells how alike a piece is to any centers (None where it holds no image), and which pixels hold image."""
    return (_open_tile if shown.image.mosaic else _open_photograph)(shown, piece, how, read, lattice)


def label_piece(shown: Shown, piece: Box, how: How, read: ReadCodes, *, lattice: Lattice | None = None) -> Labels:
    """The classes (h, w) of a piece, as of `see_piece`."""
    return see_piece(shown, piece, how, read, lattice=lattice)[0]


def piece_probabilities(shown: Shown, piece: Box, how: How, read: ReadCodes) -> Field | None:
    """How probable each cluster is on the canvas of a piece, before any split; None where it holds no image.

    `label_at` makes the map of `see_piece` of it. Arguments and errors as of `see_piece`.
    """
    see, _ = _open_piece(shown, piece, how, read, None)
    return None if see is None else see(how.centers, how.members, False)


def _open_photograph(
    shown: Shown, piece: Box, how: How, read: ReadCodes, lattice: Lattice | None
) -> tuple[See | None, npt.NDArray[np.bool_] | None]:
    pixels = read_original(shown.corpus, shown.image)
    codes = [read(row, False) for row in shown.rows]
    mirrored = [read(row, True) for row in shown.rows] if how.flip else None
    return see_photograph(codes, shown.grids, shown.boxes, pixels.rgb, how, mirrored), pixels.valid


def see_photograph(
    codes: Sequence[npt.NDArray[np.floating]],
    grids: Sequence[Grid],
    boxes: Sequence[Box],
    rgb: npt.NDArray[np.uint8],
    how: How,
    mirrored: Sequence[npt.NDArray[np.floating]] | None,
) -> See:
    """What tells how alike the pixels of a photograph are to any centers; arguments as of `ops.segment.segment`."""

    def see(centers: npt.NDArray[np.float32], members: npt.NDArray[np.integer] | None, coarse: bool) -> Field:
        used = how.halved() if coarse else how
        found = probabilities(
            codes,
            grids,
            boxes,
            rgb,
            centers,
            members=members,
            side=used.side,
            sharpness=used.sharpness,
            crf=used.crf,
            mirrored=mirrored,
            threads=used.threads,
        )
        return (found, *places(found, Size(*rgb.shape[:2])))

    return see


def _open_tile(
    shown: Shown, piece: Box, how: How, read: ReadCodes, lattice: Lattice | None
) -> tuple[See | None, npt.NDArray[np.bool_] | None]:
    lattice = lattice or plan_lattice(shown.boxes, shown.grids, side=how.side)
    around = lattice.around(piece, shown.image.size)
    with open_original(shown.corpus, shown.image) as read_box:
        pixels = read_box(around)
    valid = None if pixels.valid is None else pixels.valid[piece.within(around).slices]
    if valid is not None and not valid.any():
        return None, valid
    some = [i for i, box in enumerate(shown.boxes) if box.meets(around)]
    codes = [read(shown.rows[i], False) for i in some]
    mirrored = [read(shown.rows[i], True) for i in some] if how.flip else None

    def see(centers: npt.NDArray[np.float32], members: npt.NDArray[np.integer] | None, coarse: bool) -> Field:
        used, cells = (how.halved(), lattice.halved()) if coarse else (how, lattice)
        return tile_probabilities(
            codes,
            [shown.grids[i] for i in some],
            [shown.boxes[i] for i in some],
            pixels.rgb,
            centers,
            tile=piece,
            around=around,
            lattice=cells,
            members=members,
            sharpness=used.sharpness,
            crf=used.crf,
            mirrored=mirrored,
            threads=used.threads,
        )

    return see, valid

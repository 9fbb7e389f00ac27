"""Segmentation tile by tile: a photograph is one tile, a mosaic is cut into many, each made as if it were the whole.

What a worker holds at a time is one tile, whatever the size of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Grid, Size
from segpipe.images.corpus_reader import open_original, read_original
from segpipe.ops.maps.certainty import Map, certainty_at
from segpipe.ops.maps.segment import CropCodes, Field, Labels, divide, label_at, places, probabilities
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.ops.maps.tiling import TileLattice, plan_lattice, tile_probabilities
from segpipe.records.clusters import Split
from segpipe.records.corpus import Corpus, Image
from segpipe.records.palette import nodata

ReadCodes = Callable[[int, bool], npt.NDArray[np.floating]]
"""From a row of the feature store, and whether the mirrored crop is meant, to codes (rows, cols, d)."""
Classifier = Callable[[Split | None], Field]
"""How probable each class is at the pixels of a tile, or, given a split, each part of its cluster."""


@dataclass(frozen=True, slots=True)
class ImageCrops:
    """An image of a corpus, and its crops in the feature store."""

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

    def encode(self, which: Sequence[int], read: ReadCodes, *, flip: bool) -> CropCodes:
        """The codes of the crops at these places of `rows`."""
        return CropCodes(
            [read(self.rows[i], False) for i in which],
            [self.grids[i] for i in which],
            [self.boxes[i] for i in which],
            [read(self.rows[i], True) for i in which] if flip else None,
        )


def tile_side(crops: ImageCrops, config: SegmentConfig) -> int | None:
    """Side in pixels of the tiles of a mosaic's map; None for a photograph."""
    return plan_lattice(crops.boxes, crops.grids, side=config.side).tile if crops.image.mosaic else None


def segment_tile(
    crops: ImageCrops, tile: Box, config: SegmentConfig, read: ReadCodes, *, lattice: TileLattice | None = None
) -> tuple[Labels, tuple[Map, Map] | None]:
    """The classes (h, w) of a tile and, where wanted, their margin and entropy, as of `certainty_at`.

    Pixels that hold no image are `nodata`, and 0 in the others.

    Args:
        crops: the image.
        tile: one of `mask_tiles`.
        config: the classes.
        read: gives the codes.
        lattice: another than the planned one.

    Raises:
        CorpusError: the image file is gone or has changed since it was indexed.
    """
    classifier, valid = _open_tile(crops, tile, config, read, lattice)
    maps: tuple[Map, Map] | None = None
    labels: Labels
    if classifier is None:
        empty = np.zeros((tile.height, tile.width), np.uint8)
        labels = empty.copy() if config.classes <= 255 else empty.astype(np.uint16)
        maps = (empty, empty.copy()) if config.certainty else None
    else:
        field = classifier(None)
        labels = divide_labels(label_at(*field), config, classifier)
        maps = certainty_at(*field) if config.certainty else None
    if valid is not None:
        labels[~valid] = nodata(config.classes)
        for values in maps or ():
            values[~valid] = 0
    return labels, maps


def divide_tile(
    crops: ImageCrops,
    tile: Box,
    config: SegmentConfig,
    read: ReadCodes,
    labels: Labels,
    splits: Sequence[Split] | None = None,
) -> Labels:
    """A finished map (h, w) of a tile with clusters cut further, the very map of `segment_tile`.

    Args:
        crops: the image.
        tile: one of `mask_tiles`.
        config: the classes.
        read: gives the codes; not asked where no cluster of the map is split.
        labels: clusters before these splits, and `nodata(config.classes)`; may be changed in place.
        splits: those that the map does not have; None: all of `config`.

    Raises:
        CorpusError: the image file is gone or has changed since it was indexed.
    """
    splits = config.splits if splits is None else splits
    if not any((labels == split.cluster).any() for split in splits):
        return divide(labels, (), lambda split: labels, classes=config.classes)
    classifier, _ = _open_tile(crops, tile, config, read, None)
    return labels if classifier is None else divide_labels(labels, config, classifier, splits)


def divide_labels(
    labels: Labels, config: SegmentConfig, classifier: Classifier, splits: Sequence[Split] | None = None
) -> Labels:
    """Clusters (h, w) of a tile with those of `splits`, or of all splits of `config`, cut further.

    The border of a cluster is there already. How it is divided inside is found on a coarser canvas.
    """
    chosen = config.splits if splits is None else splits
    return divide(labels, chosen, lambda split: label_at(*classifier(split)), classes=config.classes)


def tile_field(crops: ImageCrops, tile: Box, config: SegmentConfig, read: ReadCodes) -> Field | None:
    """How probable each cluster is on the canvas of a tile, before any split; None where it holds no image.

    `label_at` makes the map of `segment_tile` of it. Arguments and errors as of `segment_tile`.
    """
    classifier, _ = _open_tile(crops, tile, config, read, None)
    return None if classifier is None else classifier(None)


def label_tile(
    crops: ImageCrops, tile: Box, config: SegmentConfig, read: ReadCodes, *, lattice: TileLattice | None = None
) -> Labels:
    """The classes (h, w) of a tile, as of `segment_tile`."""
    return segment_tile(crops, tile, config, read, lattice=lattice)[0]


def photograph_classifier(codes: CropCodes, rgb: npt.NDArray[np.uint8], config: SegmentConfig) -> Classifier:
    """The classifier of all pixels of a photograph; arguments as of `ops.maps.segment.segment`."""

    def classify(split: Split | None) -> Field:
        found = probabilities(codes, rgb, config if split is None else config.of_split(split))
        return (found, *places(found, Size(*rgb.shape[:2])))

    return classify


def _open_tile(
    crops: ImageCrops, tile: Box, config: SegmentConfig, read: ReadCodes, lattice: TileLattice | None
) -> tuple[Classifier | None, npt.NDArray[np.bool_] | None]:
    """The classifier of a tile (None where it holds no image), and which pixels hold image."""
    if crops.image.mosaic:
        lattice = lattice or plan_lattice(crops.boxes, crops.grids, side=config.side)
        return _open_mosaic_tile(crops, tile, config, read, lattice)
    pixels = read_original(crops.corpus, crops.image)
    codes = crops.encode(range(len(crops.rows)), read, flip=config.flip)
    return photograph_classifier(codes, pixels.rgb, config), pixels.valid


def _open_mosaic_tile(
    crops: ImageCrops, tile: Box, config: SegmentConfig, read: ReadCodes, lattice: TileLattice
) -> tuple[Classifier | None, npt.NDArray[np.bool_] | None]:
    around = lattice.around(tile, crops.image.size)
    with open_original(crops.corpus, crops.image) as read_box:
        pixels = read_box(around)
    valid = None if pixels.valid is None else pixels.valid[tile.within(around).slices]
    if valid is not None and not valid.any():
        return None, valid
    near = [i for i, box in enumerate(crops.boxes) if box.meets(around)]
    codes = crops.encode(near, read, flip=config.flip)

    def classify(split: Split | None) -> Field:
        used, cells = (config, lattice) if split is None else (config.of_split(split), lattice.halved())
        return tile_probabilities(codes, pixels.rgb, used, tile=tile, around=around, lattice=cells)

    return classify, valid

"""Segmentation of the images of a corpus: masks of tiles, from stored features or from finished masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box
from segpipe.inference.codes import encode
from segpipe.inference.reuse_masks import ReusableMasks
from segpipe.inference.segmenter import ImageCrops, ReadCodes, divide_tile, segment_tile
from segpipe.inference.steady_codes import SteadyCodes
from segpipe.ops.maps.certainty import Map
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.ops.maps.steady import FrameCodes
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus
from segpipe.records.features import FeatureHeader
from segpipe.store import masks
from segpipe.store.certainty import KINDS, certainty_path, read_certainty
from segpipe.store.features import FeatureStore

if TYPE_CHECKING:
    from segpipe.nn.head import Head

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SegmentInputs:
    """The artefacts that segmentation reads; opened once in each process."""

    corpus: Corpus
    features: FeatureStore
    head: Head
    clusters: ClusterModel
    config: SegmentConfig
    reusable: ReusableMasks | None = None
    """Finished masks to start from."""

    @cached_property
    def read_codes(self) -> ReadCodes:
        """Reads the codes of a row of the feature store, steadied along its video where the settings say so."""
        if self.config.steady:
            return SteadyCodes(self.corpus, self.config.steady, self._frame)
        return lambda row, flipped: self._crop(row, flipped)[0]

    def _frame(self, row: int, flipped: bool) -> FrameCodes:
        return FrameCodes.of(*self._crop(row, flipped))

    def _crop(self, row: int, flipped: bool) -> tuple[Float32, npt.NDArray[np.floating], npt.NDArray[np.bool_]]:
        """Codes, features, and which patches show image, of a row of the feature store."""
        valid, patches = self.features.valid(row), self.features.patches(row, flipped=flipped)
        if flipped:
            valid = valid[:, ::-1]
        return encode(self.head, self.clusters, patches, valid), patches, valid


def refine_tile(inputs: SegmentInputs, index: int, tile: Box) -> tuple[masks.Mask, tuple[Map, Map] | None]:
    """The mask (h, w) of a tile of an image of the corpus, and where wanted margin and entropy of its pixels.

    Pixels that hold no image are `nodata` in the mask and 0 in the others.

    Raises:
        CorpusError: the image file is gone or has changed since it was indexed.
    """
    crops = image_crops(inputs.corpus, inputs.features.header, index)
    return segment_tile(crops, tile, inputs.config, inputs.read_codes)


def split_tile(inputs: SegmentInputs, index: int, tile: Box) -> tuple[masks.Mask, tuple[Map, Map] | None]:
    """What `refine_tile` gives, made of the masks that are there: only pixels of split clusters are classified.

    Raises:
        CorpusError: the image file is gone or has changed since it was indexed.
        UsageError: the old mask is missing or damaged.
    """
    assert inputs.reusable is not None
    path, places = tile_paths(inputs, inputs.reusable.directory, index, tile)
    mask = inputs.reusable.read(path, inputs.config.classes)
    crops = image_crops(inputs.corpus, inputs.features.header, index)
    mask = divide_tile(crops, tile, inputs.config, inputs.read_codes, mask, inputs.reusable.left)
    maps = [read_certainty(place) for place in places]
    return mask, (maps[0], maps[1]) if maps else None


def tile_paths(inputs: SegmentInputs, directory: Path, index: int, tile: Box) -> tuple[Path, list[Path]]:
    """Where a tile's mask lies, and where its certainty does if it is wanted."""
    image = inputs.corpus.images[index]
    path = masks.tile_path(directory, image.id, tile) if image.mosaic else masks.mask_path(directory, image.id)
    places = [certainty_path(directory, kind, image.id, tile if image.mosaic else None) for kind in KINDS]
    return path, places if inputs.config.certainty else []


def image_crops(corpus: Corpus, header: FeatureHeader, index: int) -> ImageCrops:
    """An image of a corpus as `label_tile` takes it."""
    rows = corpus.crops_of[index]
    boxes = [corpus.crops[row].box for row in rows]
    return ImageCrops(corpus, corpus.images[index], rows, boxes, [header.grid(box.size) for box in boxes])

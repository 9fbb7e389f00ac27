"""The mask of a piece of an image, from what the feature store holds of it or from a finished mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box
from segpipe.inference.codes import encode
from segpipe.inference.reuse_masks import Kept
from segpipe.inference.segmenter import How, ReadCodes, Shown, divide_piece, see_piece
from segpipe.ops.maps.certainty import Map
from segpipe.records.clusters import ClusterModel
from segpipe.records.corpus import Corpus
from segpipe.records.features import FeatureHeader
from segpipe.store import masks
from segpipe.store.certainty import KINDS, certainty_path, read_certainty
from segpipe.store.features import FeatureStore

if TYPE_CHECKING:
    from segpipe.nn.head import Head


@dataclass(frozen=True, slots=True)
class Inputs:
    """What refining a piece takes; opened once in each process."""

    corpus: Corpus
    features: FeatureStore
    head: Head
    clusters: ClusterModel
    how: How
    kept: Kept | None = None
    """Finished masks to start from."""


def refine_piece(inputs: Inputs, index: int, piece: Box) -> tuple[masks.Mask, tuple[Map, Map] | None]:
    """The mask (h, w) of a piece of an image of the corpus, and where wanted margin and entropy of its pixels.

    Pixels that hold no image are `nodata` in the mask and 0 in the others.

    Raises:
        CorpusError: the image file is gone or has changed since it was indexed.
    """
    return see_piece(shown_of(inputs.corpus, inputs.features.header, index), piece, inputs.how, codes_of(inputs))


def split_piece(inputs: Inputs, index: int, piece: Box) -> tuple[masks.Mask, tuple[Map, Map] | None]:
    """What `refine_piece` gives, made of the masks that are there: only pixels of split clusters are looked at.

    Raises:
        CorpusError: the image file is gone or has changed since it was indexed.
        UsageError: the old mask is missing or damaged.
    """
    assert inputs.kept is not None
    path, places = paths_of(inputs, inputs.kept.directory, index, piece)
    mask = inputs.kept.read(path, inputs.how.classes)
    how = replace(inputs.how, splits=inputs.kept.left)
    shown = shown_of(inputs.corpus, inputs.features.header, index)
    mask = divide_piece(shown, piece, how, codes_of(inputs), mask)
    maps = [read_certainty(place) for place in places]
    return mask, (maps[0], maps[1]) if maps else None


def codes_of(inputs: Inputs) -> ReadCodes:
    """Reads the codes of a row of the feature store."""

    def read(row: int, flipped: bool) -> npt.NDArray[np.float32]:
        valid = inputs.features.valid(row)
        patches = inputs.features.patches(row, flipped=flipped)
        return encode(inputs.head, inputs.clusters, patches, valid[:, ::-1] if flipped else valid)

    return read


def paths_of(inputs: Inputs, directory: Path, index: int, piece: Box) -> tuple[Path, list[Path]]:
    """Where a piece's mask lies, and where its certainty does if it is wanted."""
    image = inputs.corpus.images[index]
    path = masks.tile_path(directory, image.id, piece) if image.mosaic else masks.mask_path(directory, image.id)
    places = [certainty_path(directory, kind, image.id, piece if image.mosaic else None) for kind in KINDS]
    return path, places if inputs.how.certainty else []


def shown_of(corpus: Corpus, header: FeatureHeader, index: int) -> Shown:
    """An image of a corpus as `label_piece` takes it."""
    rows = corpus.crops_of[index]
    boxes = [corpus.crops[row].box for row in rows]
    return Shown(corpus, corpus.images[index], rows, boxes, [header.grid(box.size) for box in boxes])

"""Arrays of one image of a run: features, codes, mask, probabilities."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, mask_tiles
from segpipe.base.runtime import cpu_count
from segpipe.inference.codes import encode
from segpipe.inference.inputs import SegmentInputs, image_crops
from segpipe.inference.segmenter import tile_field, tile_side
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.ops.maps.tiling import plan_lattice
from segpipe.records.legend import Legend, Mask
from segpipe.results.reader import RunReader
from segpipe.store import masks

Float32 = npt.NDArray[np.float32]


def crop_boxes(reader: RunReader, index: int) -> tuple[Box, ...]:
    """The boxes of an image's crops, in pixels of the image."""
    corpus = reader.corpus
    return tuple(corpus.crops[row].box for row in corpus.crops_of[index])


def crop_features(reader: RunReader, index: int, crop: int) -> Float32:
    """The features (rows, cols, d) of one crop of an image."""
    row, store = _row(reader, index, crop), reader.features
    with reader.reading("extract", reader.folder("extract")):
        return np.asarray(store.patches(row), np.float32)


def crop_codes(reader: RunReader, index: int, crop: int) -> Float32:
    """The vectors (rows, cols, c) of one crop that clusters are compared with."""
    reader.require_current("cluster")
    row, store = _row(reader, index, crop), reader.features
    head, clusters = reader.head, reader.clusters
    with reader.reading("extract", reader.folder("extract")):
        patches, valid = store.patches(row), store.valid(row)
    with reader.reading("cluster", reader.folder("cluster")):
        return encode(head, clusters, patches, valid)


def _row(reader: RunReader, index: int, crop: int) -> int:
    rows = reader.corpus.crops_of[index]
    if crop not in range(len(rows)):
        image = reader.corpus.images[index]
        last = f"0 to {len(rows) - 1}" if len(rows) > 1 else "0 alone"
        raise UsageError(f"crop={crop}: {image.id} has {len(rows)} crops, numbered {last}")
    return rows[crop]


def mask_entry(reader: RunReader, index: int) -> dict[str, Any]:
    """The line of an image in the index of the masks.

    Raises:
        UsageError: the masks know no such image.
    """
    image = reader.corpus.images[index]
    entry = reader.mask_index.get(image.id)
    if entry is None:
        raise UsageError(
            f"{reader.folder('refine') / 'index.jsonl'} has no {image.id}; run `segpipe refine {reader.root}`"
        )
    return dict(entry)


def cluster_mask(reader: RunReader, index: int) -> Mask:
    """The clusters (H, W) of an image."""
    folder, entry = reader.folder("refine"), mask_entry(reader, index)
    with reader.reading("refine", folder / entry["file"]):
        return masks.read_part(folder, entry)


def class_mask(reader: RunReader, index: int) -> tuple[Mask, Legend]:
    """The classes (H, W) of an image, and their names."""
    mask, legend = cluster_mask(reader, index), reader.legend
    with reader.reading("refine", reader.folder("refine") / f"{reader.corpus.images[index].id}.png"):
        return legend.read(mask), legend


def canvas_probabilities(reader: RunReader, index: int) -> Float32:
    """How probable each cluster is, (H', W', K), on the canvas on which the run decided; see `Run.probabilities`."""
    reader.require_current("refine")
    corpus, store, clusters = reader.corpus, reader.features, reader.clusters
    with reader.reading("refine", reader.folder("refine") / "header.json"):
        config = replace(SegmentConfig.from_header(clusters, reader.mask_header), threads=cpu_count())
    inputs = SegmentInputs(corpus, store, reader.head, clusters, config)
    with reader.reading("extract", reader.folder("extract")):
        crops, read = image_crops(corpus, store.header, index), inputs.read_codes
        side, size = tile_side(crops, config), corpus.images[index].size
        if side is None:
            field = tile_field(crops, crops.whole, config, read)
            assert field is not None  # a photograph always has a canvas
            return np.ascontiguousarray(field[0], np.float32)
        factor = plan_lattice(crops.boxes, crops.grids, side=config.side).factor
        height, width = (math.ceil(length / factor) for length in (size.height, size.width))
        canvas = np.full((height, width, clusters.whole_clusters), np.nan, np.float32)
        for tile in mask_tiles(size, side):
            field = tile_field(crops, tile, config, read)
            if field is None:
                continue
            top, left = int(tile.top / factor), int(tile.left / factor)
            place = canvas[top : math.ceil(tile.bottom / factor), left : math.ceil(tile.right / factor)]
            # of the tile's own pixels only; the canvas of a tile has a margin where others were computed
            first_row, first_col = (0 if at is None else round(at[0] + 0.5 - 0.5 / factor) for at in field[1:])
            rows, cols = place.shape[:2]
            place[:] = field[0][first_row : first_row + rows, first_col : first_col + cols]
        return canvas

"""Batch reader: the crops of one training step, read from the feature store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.store.features import FeatureStore
from segpipe.store.valid_patches import Valid

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Crops:
    """Some crops of the store; each fills the first rows * cols of its N places, row by row, zeros follow."""

    tokens: npt.NDArray[np.float16]
    """(B, N, d)"""
    grids: Int64
    """(B, 2)"""
    valid: npt.NDArray[np.bool_]
    """(B, N)"""


@dataclass(frozen=True, slots=True)
class Batch:
    """The crops of one step: anchors, and for each a neighbor (None in a corpus without pairs)."""

    step: int
    anchors: Crops
    neighbors: Crops | None


def read_crops(store: FeatureStore, valid: Valid, crops: Int64) -> Crops:
    """Read crops, without what pads their grids to the largest of the corpus."""
    grids = store.grids[crops]
    tokens = np.empty((len(crops), int(grids.prod(axis=1).max()), store.header.dim), np.float16)
    shows = np.zeros(tokens.shape[:2], bool)
    for i, (crop, (rows, cols)) in enumerate(zip(crops.tolist(), grids.tolist(), strict=True)):
        tokens[i, : rows * cols] = store.patches(crop).reshape(rows * cols, -1)
        tokens[i, rows * cols :] = 0
    for i, (block, (rows, cols)) in enumerate(zip(valid(crops), grids.tolist(), strict=True)):
        shows[i, : rows * cols] = block[:rows, :cols].ravel()
    return Crops(tokens, grids, shows)


def read_batch(store: FeatureStore, valid: Valid, step: int, anchors: Int64, neighbors: Int64 | None) -> Batch:
    """Read what a step looks at: anchor crops, and a neighbor of each where there are pairs."""
    near = None if neighbors is None else read_crops(store, valid, neighbors)
    return Batch(step, read_crops(store, valid, anchors), near)

"""Steadying: codes of a video frame averaged with those of the patches of neighboring frames that look most alike.

The same patch of ground looks a little different in every frame, and near a border between two classes that is enough
to change its class. Features of a frozen network correspond from frame to frame (label propagation of DINO, Caron et
al. 2021, section 4.2.2, takes the same weights over the same few patches); here codes are carried instead of labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.ops.clustering.knn import unit_rows

TEMPERATURE = 0.1
"""Of the weights, exp((cosine - 1) / temperature), as in DINO's label propagation."""
TOP = 5
"""Patches of a frame that a patch is averaged with, at most."""

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FrameCodes:
    """One crop of a frame."""

    codes: Float32
    """(rows, cols, c) as clusters are compared with."""
    units: Float32
    """(rows * cols, d) features of unit length; zero where there is no image."""

    @classmethod
    def of(cls, codes: Float32, features: npt.NDArray[np.floating], valid: npt.NDArray[np.bool_]) -> FrameCodes:
        """From codes (rows, cols, c), features (rows, cols, d), and which patches (rows, cols) show image."""
        shown = np.where(valid[..., None], features, 0).astype(np.float32)
        return cls(codes, unit_rows(shown.reshape(-1, shown.shape[-1]))[0])


def steady(frame: FrameCodes, others: Sequence[FrameCodes]) -> Float32:
    """The codes (rows, cols, c) of a frame, averaged along feature correspondences.

    A patch counts 1 itself; of each other frame its `TOP` most similar patches count exp((cosine - 1) / TEMPERATURE).
    So a frame of another scene hardly counts, and where nothing corresponds codes stay as they are.

    Args:
        frame: the frame.
        others: its neighbors in time, of any grid.
    """
    import torch

    total = frame.codes.reshape(-1, frame.codes.shape[-1]).astype(np.float32, copy=True)
    weights = np.ones((len(total), 1), np.float32)
    shown = frame.units.any(axis=1, keepdims=True)
    for other in others:
        cosines = torch.from_numpy(frame.units) @ torch.from_numpy(other.units).T
        nearest, rows = cosines.topk(min(TOP, cosines.shape[1]), dim=1)
        alike = np.exp((nearest.numpy() - 1) / np.float32(TEMPERATURE)) * shown
        codes = other.codes.reshape(-1, other.codes.shape[-1])
        for weight, row in zip(alike.T[..., None], rows.numpy().T, strict=True):
            total += weight * codes[row]
        weights += alike.sum(axis=1, keepdims=True)
    return np.asarray(total / weights, np.float32).reshape(frame.codes.shape)

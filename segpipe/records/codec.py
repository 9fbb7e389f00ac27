"""Codecs of a feature store: patch features to bytes, and back to features of the same length.

    float16   as they are, two bytes a number
    int8      one byte a number
    pca8      one byte for each of 7 principal components per 32 numbers: with everything a store keeps besides, an
              eighth of float16

Bytes are places between the smallest and the largest value that a channel takes in ONE crop, so nothing is ever cut
off, however unlike the rest of the corpus a crop is, and an error is at most half of 1/255 of that channel's range.
The two limits travel with the crop's bytes.

What is read back has the length and the place of the network's own features, so that means, cosines and heads keep
their meaning, and so do features of images that were never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

CodecName = Literal["float16", "int8", "pca8"]

_LIMITS = 8  # rows of bytes that hold a channel's smallest value and its step, float32 each
_LEVELS = 255
_ROWS = 16
_ALONE = 2**18  # multiply-adds up to which OpenBLAS stays in one thread
_LARGEST = float(np.finfo(np.float16).max)

Bytes = npt.NDArray[np.uint8]
Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Codec:
    """How the features of a crop are packed. `int8` takes them as they are, `pca8` projects them first."""

    dim: int
    """Length of a feature."""
    mean: Float32 | None = None
    """(dim,)"""
    directions: Float32 | None = None
    """(channels, dim) orthonormal rows."""

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.directions is None):
            raise ValueError("mean and directions come together")
        if self.mean is not None and self.directions is not None:
            shapes = self.mean.shape, self.directions.shape[1:]
            if shapes != ((self.dim,), (self.dim,)):
                raise ValueError(f"mean and directions must be of {self.dim} numbers, got {shapes}")
            gram = self.directions @ self.directions.T
            if not np.allclose(gram, np.eye(len(gram)), atol=1e-3):
                raise ValueError("directions must be orthonormal")

    @property
    def channels(self) -> int:
        """Bytes a patch."""
        return self.dim if self.directions is None else len(self.directions)

    def encode(self, patches: npt.NDArray[np.floating]) -> Bytes:
        """Pack the features of one crop.

        Args:
            patches: (..., dim) finite.

        Returns:
            (8 + n, channels) bytes for n patches: limits, then places.
        """
        x: Any = np.asarray(patches, np.float32).reshape(-1, self.dim)
        if self.mean is not None and self.directions is not None:
            x = _product(x - self.mean, self.directions.T)
        low = x.min(axis=0)
        step = (x.max(axis=0) - low) / _LEVELS
        places = np.rint((x - low) / np.where(step > 0, step, 1)).clip(0, _LEVELS)
        limits = np.stack([low, step]).astype("<f4").view(np.uint8).reshape(_LIMITS, -1)
        return np.concatenate([limits, places.astype(np.uint8)])

    def decode(self, packed: Bytes) -> Float16:
        """The features (n, dim) of what `encode` made (8 + n, channels)."""
        low, step = np.ascontiguousarray(packed[:_LIMITS]).reshape(2, -1).view("<f4")
        x: Any = packed[_LIMITS:] * step
        x += low
        if self.mean is not None and self.directions is not None:
            x = _product(x, self.directions)
            x += self.mean
            x.clip(-_LARGEST, _LARGEST, out=x)  # what is left out may have held a number back from the edge
        return np.asarray(x, np.float16)

    def round_trip(self, patches: npt.NDArray[np.floating]) -> Float32:
        """Features (rows, cols, dim) as they come back from a store, which takes them in 16 bits.

        Those that are not finite, or too large for 16 bits, stay as they are.
        """
        if not (np.abs(patches) <= _LARGEST).all():  # comparisons with NaN are false
            return np.asarray(patches, np.float32)
        return self.decode(self.encode(patches.astype(np.float16))).astype(np.float32).reshape(patches.shape)


def _product(x: Float32, matrix: Float32) -> Float32:
    """`x @ matrix` in pieces too small for BLAS to share them among threads.

    Sharing would cost more than it gains, here where rows are read beside other work, and the order in which numbers
    are added, so the last bits, would depend on the number of threads.
    """
    n, inner = x.shape
    rows = np.zeros((-(-n // _ROWS), _ROWS, inner), np.float32)
    rows.reshape(-1, inner)[:n] = x
    width = max(2, _ALONE // (_ROWS * inner))
    out = np.empty((*rows.shape[:2], matrix.shape[1]), np.float32)
    for start in range(0, matrix.shape[1], width):
        out[..., start : start + width] = rows @ matrix[:, start : start + width]
    return out.reshape(-1, matrix.shape[1])[:n]


def channels_of(name: str, dim: int) -> int:
    """Channels that a codec keeps of features of this length."""
    return max(1, dim * 7 // 32) if name == "pca8" else dim


def packed_rows(patches: int) -> int:
    """Rows of bytes that this many patches of one crop take."""
    return _LIMITS + patches


def stored_bytes(name: str, dim: int, patches: float) -> float:
    """Bytes that this many patches of one crop take on disk, but for some of checksums."""
    return 2 * dim * patches if name == "float16" else channels_of(name, dim) * (_LIMITS + patches)

"""Views of images of many channels, three at a time, for a network that was trained on photographs.

Each view is described by itself, and their features are joined patch by patch: dim of the network times views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from segpipe.records.band_view import BandView

Bytes = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Described = tuple[Float32, Float32 | None]


def see(view: BandView, images: Bytes) -> Bytes:
    """Crops (..., channels) of 8 bits as a view shows them, (..., 3)."""
    if view.chosen is not None:
        return np.ascontiguousarray(images[..., view.chosen])
    weights, offset = np.array(view.weights, np.float32), np.array(view.offset, np.float32)
    # one sum at a time, in the same order for all shapes: a patch must not depend on what is computed beside it
    out = np.empty((*images.shape[:-1], 3), np.uint8)
    for i in range(3):
        total = np.full(images.shape[:-1], offset[i], np.float32)
        for channel, weight in enumerate(weights[i]):
            total += weight * images[..., channel]
        out[..., i] = np.rint(np.clip(total, 0, 255))
    return out


def describe_views(describe: Callable[[Bytes], Described], views: Sequence[BandView], images: Bytes) -> Described:
    """What a network says of each view of crops (B, H, W, channels), joined: (B, rows, cols, d * views), CLS alike."""
    found = [describe(see(view, images)) for view in views]
    vectors = [cls for _, cls in found if cls is not None]
    patches = np.concatenate([patches for patches, _ in found], axis=-1)
    return patches, np.concatenate(vectors, axis=-1) if vectors else None

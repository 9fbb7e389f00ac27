"""Between class maps of frames and soft labels of patches: one-hot labels in, class maps and confidences out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segpipe.base.geometry import Size

Mask = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_CHUNK = 8  # channels that are brought to pixels at a time


def sampled(out: int, length: int) -> npt.NDArray[np.intp]:
    """Which of `length` pixels lie at the centers of `out` even parts of them: how Pillow takes the nearest pixel.

    Places are added up step by step as Pillow does: a center between two pixels goes where rounding has it.

    >>> sampled(3, 9).tolist()
    [1, 4, 7]
    """
    step = length / out
    places = np.cumsum(np.concatenate([[0.5 * step], np.full(out - 1, step)]))
    return np.minimum(places.astype(np.intp), length - 1)


def one_hot(mask: Mask, rows: int, cols: int, *, classes: int, empty: int) -> Tensor:
    """Labels of patches from a class map: each has the class of the pixel in its middle.

    Args:
        mask: (H, W) classes below `classes`, or `empty`.
        rows: of the grid.
        cols: of the grid.
        classes: how many there are.
        empty: the value of pixels without a class; they are the last channel.

    Returns:
        (rows, cols, classes + 1) float32 of 0 and 1.
    """
    small = mask[sampled(rows, mask.shape[0])[:, None], sampled(cols, mask.shape[1])].astype(np.int64)
    small[small == empty] = classes
    return torch.nn.functional.one_hot(torch.from_numpy(small), classes + 1).float()


def blend(forward: Tensor, backward: Tensor, share: float) -> Tensor:
    """Labels (rows, cols, channels) carried from the key frame before and from the one after.

    Args:
        forward: from the one before.
        backward: from the one after.
        share: of `backward`, 0 to 1.
    """
    return forward * (1 - share) + backward * share


@dataclass(frozen=True, slots=True)
class Deciding:
    """How soft labels become a class map."""

    patch: int
    """Pixels of the network's input a patch."""
    stretch: bool = True
    """Bring each channel to 0 at its smallest and 1 at its largest value before they are compared, as DINO does."""
    upsample: Literal["bilinear", "nearest"] = "bilinear"


def decide(labels: Tensor, size: Size, how: Deciding, *, empty: int) -> Mask:
    """The class map of a frame.

    Labels are brought to the pixels of the network's input, compared there, and the winners taken to the frame's own
    size by the nearest pixel. A few channels are held at a time.

    Args:
        labels: (rows, cols, classes + 1); the last channel is that of no class.
        size: of the frame.
        how: see `Deciding`.
        empty: the value of pixels without a class.

    Returns:
        (H, W) classes, or `empty`: uint8, or uint16 where `empty` does not fit into it.
    """
    rows, cols, channels = labels.shape
    shape = (rows * how.patch, cols * how.patch)
    best = labels.new_full(shape, -torch.inf)
    winner = torch.zeros(shape, dtype=torch.int64, device=labels.device)
    present = labels.flatten(0, 1).amax(dim=0) > 0
    present[0] = True  # of equals the first wins, also where none is above 0
    which = present.nonzero().flatten()
    for start in range(0, len(which), _CHUNK):
        some = which[start : start + _CHUNK]
        planes = _to_pixels(labels[..., some].permute(2, 0, 1)[None], how)[0]
        if how.stretch:
            planes = stretched(planes)
        values, places = planes.max(dim=0)
        better = values > best
        best = torch.where(better, values, best)
        winner = torch.where(better, some[places], winner)
    found = winner.cpu().numpy()
    found = np.where(found == channels - 1, empty, found).astype(np.uint8 if empty <= 255 else np.uint16)
    nearest: Mask = found[sampled(size.height, shape[0])[:, None], sampled(size.width, shape[1])]
    return nearest


def _to_pixels(planes: Tensor, how: Deciding) -> Tensor:
    options = {"align_corners": False} if how.upsample == "bilinear" else {}
    return torch.nn.functional.interpolate(planes, scale_factor=float(how.patch), mode=how.upsample, **options)


def stretched(planes: Tensor) -> Tensor:
    """Planes (n, H, W) brought to 0 to 1, each for itself; one that is even becomes 1, one of zeros stays 0."""
    low, high = planes.amin(dim=(1, 2), keepdim=True), planes.amax(dim=(1, 2), keepdim=True)
    even = (high <= low) & (high > 0)
    spread = torch.where(even, torch.ones_like(planes), (planes - low) / (high - low).clamp_min(1e-30))
    return torch.where(high > 0, spread, planes)

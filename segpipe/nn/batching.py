"""8-bit images to the input of a network, and batches that are halved when memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segpipe.base.errors import MachineError
from segpipe.nn.backbones import RGB

Images = npt.NDArray[np.uint8]
T = TypeVar("T")


def normalize(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Images (B, H, W, 3) uint8 as (B, 3, H, W) float32, less the mean (3, 1, 1), by the deviation (3, 1, 1)."""
    return (images.permute(0, 3, 1, 2).float() / 255 - mean) / std


def to_input(images: Images, norm: tuple[RGB, RGB], device: torch.device | str) -> Tensor:
    """Images (B, H, W, 3) as a network's input (B, 3, H, W) float32 on its device.

    Args:
        images: 8 bits a channel; three channels, or as many as the network takes.
        norm: mean and standard deviation of red, green and blue, of values from 0 to 1.
        device: where the network is.
    """
    device = torch.device(device)
    raw = torch.from_numpy(images)
    if device.type == "cuda":
        raw = raw.pin_memory()
    count = images.shape[-1]
    mean, std = (torch.tensor(each, device=device).view(count, 1, 1) for each in (_of(row, count) for row in norm))
    return normalize(raw.to(device, non_blocking=True), mean, std)  # 8 bits travel, floats are made on the device


def _of(values: RGB, count: int) -> tuple[float, ...]:
    """Of each channel: those of red, green and blue, or their mean for as many channels as there are."""
    return values if count == 3 else (sum(values) / 3,) * count


def forward_in_halves(
    forward: Callable[[Images], T], images: Images, *, unit: str, device: torch.device | str, remedy: str
) -> list[T]:
    """Results of a batch, in parts that fit into memory: one part if it fits as a whole.

    Args:
        forward: from some of the images to their result.
        images: (B, H, W, 3), at least one.
        unit: what a single one is called in the error, such as `a crop`.
        device: named in the error.
        remedy: what a person can do about it.

    Returns:
        The results of successive parts of the batch.

    Raises:
        MachineError: a single image does not fit.
    """
    try:
        return [forward(images)]
    except torch.OutOfMemoryError as error:
        if len(images) == 1:
            raise MachineError(
                f"{unit} of {images.shape[1]} x {images.shape[2]} pixels does not fit into the memory of {device}; "
                f"{remedy}"
            ) from error
    half = len(images) // 2  # outside the except block, so that the failed attempt's tensors are freed
    return [
        result
        for part in (images[:half], images[half:])
        for result in forward_in_halves(forward, part, unit=unit, device=device, remedy=remedy)
    ]

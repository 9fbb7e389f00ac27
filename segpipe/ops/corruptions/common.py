"""What several families of corruptions share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from segpipe.records.corruption import CorruptedImage, Rgb

if TYPE_CHECKING:
    from torch import Tensor

Float32 = npt.NDArray[np.float32]

SIDE = 480
"""Longest side of an image for which lengths are given, as in `px at 480`: on others they are as large beside it."""


def pixels_at(rgb: Rgb, length: float) -> float:
    """A length given for an image of `SIDE` pixels in pixels of this one (H, W, 3)."""
    return float(length * max(rgb.shape[:2]) / SIDE)


def to_bytes(values: npt.NDArray[np.floating]) -> Rgb:
    """Values from 0 to 255 to the nearest bytes; what lies outside is cut off."""
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def by_kornia(rgb: Rgb, function: Callable[[Tensor], Tensor]) -> Rgb:
    """An image (H, W, 3) through a function of kornia's: (1, 3, H, W) float32 from 0 to 1 in and out."""
    import torch

    with torch.inference_mode():
        picture = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float() / 255
        found: Float32 = function(picture.contiguous())[0].permute(1, 2, 0).numpy()
    return to_bytes(255 * found)


def in_linear_light(rgb: Rgb, change: Callable[[Float32], Float32]) -> Rgb:
    """An image changed where numbers are amounts of light: sRGB's curve taken off, `change`, put on again.

    Args:
        rgb: (H, W, 3).
        change: from light (H, W, 3), 0 to 1, to as much, cut off where it leaves that range.
    """
    import torch
    from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb

    def changed(picture: Tensor) -> Tensor:
        light: Float32 = rgb_to_linear_rgb(picture)[0].permute(1, 2, 0).numpy()
        kept = np.clip(change(light), 0, 1).astype(np.float32)
        return linear_rgb_to_rgb(torch.from_numpy(np.ascontiguousarray(kept.transpose(2, 0, 1)))[None])

    return by_kornia(rgb, changed)


def paste(rgb: Rgb, opacity: npt.NDArray[np.uint8], color: Rgb) -> CorruptedImage:
    """Put something onto an image.

    Args:
        rgb: (H, W, 3).
        opacity: (H, W), 0 shows the image alone, 255 what is put onto it alone.
        color: (H, W, 3) of what is put onto it.
    """
    share = opacity[..., None].astype(np.float32) / 255
    ground = rgb.astype(np.float32)
    mixed: Float32 = ground + share * (color.astype(np.float32) - ground)
    return CorruptedImage(to_bytes(mixed), touched=opacity > 0)

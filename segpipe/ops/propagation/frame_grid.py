"""To which size frames are brought for the network: by the rule of DINO's evaluation, or by that of DINOv3's."""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from segpipe.base.geometry import Size

Protocol = Literal["dino", "dinov3"]
Rgb = npt.NDArray[np.uint8]

_UNIT = 64  # pixels: DINO cuts the long side to a multiple of them


def input_size(frame: Size, *, short: int, patch: int, protocol: Protocol) -> Size:
    """The size of a frame as the network sees it: whole patches.

    `dino`: the short side gets `short` pixels, the long one as many as its shape asks for, cut to a multiple of 64;
    a patch that does not divide these makes both multiples of the patch. `dinov3`: both sides rounded up to patches.

    >>> input_size(Size(480, 854), short=480, patch=16, protocol="dino")
    Size(height=480, width=832)
    >>> input_size(Size(480, 854), short=480, patch=14, protocol="dino")
    Size(height=476, width=840)
    >>> input_size(Size(480, 854), short=960, patch=16, protocol="dinov3")
    Size(height=960, width=1712)
    """
    least, most = min(frame.height, frame.width), max(frame.height, frame.width)
    if protocol == "dinov3":
        low = max(1, math.ceil(short / patch)) * patch
        high = math.ceil(most * low / least / patch) * patch
    else:
        low = max(1, short // patch) * patch
        wanted = low * most / least
        unit = _UNIT if _UNIT % patch == 0 and wanted >= _UNIT else patch
        high = max(1, int(wanted // unit)) * unit
    return Size(high, low) if frame.height > frame.width else Size(low, high)


def to_input_size(rgb: Rgb, size: Size, *, protocol: Protocol) -> Rgb:
    """A frame (H, W, 3) at the network's size: bilinear without smoothing (DINO), bicubic with it (DINOv3)."""
    if rgb.shape[:2] == (size.height, size.width):
        return rgb
    if protocol == "dinov3":
        return np.asarray(Image.fromarray(rgb).resize((size.width, size.height), Image.Resampling.BICUBIC))
    return np.asarray(cv2.resize(rgb, (size.width, size.height), interpolation=cv2.INTER_LINEAR), np.uint8)

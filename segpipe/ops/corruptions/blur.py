"""Corruptions of focus: blur of a lens, blur of a moving camera. Lengths grow with the image."""

from __future__ import annotations

import math

import cv2
import numpy as np

from segpipe.ops.corruptions.common import pixels_at, to_bytes
from segpipe.records.corruption import CorruptedImage, Rgb


def blur(rgb: Rgb, sigma: float, rng: np.random.Generator) -> CorruptedImage:
    """Out of focus: a Gaussian of `sigma` pixels at 480; beyond the border the image goes on as it ends.

    OpenCV's: kornia's gives the same and takes three times as long on a processor.
    """
    here = pixels_at(rgb, sigma)
    reach = 2 * math.ceil(4 * here) + 1
    soft = cv2.GaussianBlur(rgb.astype(np.float32), (reach, reach), here, borderType=cv2.BORDER_REPLICATE)
    return CorruptedImage(to_bytes(soft))


def motion_blur(rgb: Rgb, length: float, rng: np.random.Generator) -> CorruptedImage:
    """The camera moves `length` pixels at 480 in any direction while the shutter is open.

    The kernel is kornia's; OpenCV, which takes large kernels to the frequencies, applies it.
    """
    from kornia.filters import get_motion_kernel2d

    odd = 2 * math.ceil((pixels_at(rgb, length) - 1) / 2) + 1
    kernel = get_motion_kernel2d(max(3, odd), float(rng.uniform(0, 180)), mode="bilinear")[0].numpy()
    moved = cv2.filter2D(rgb.astype(np.float32), -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
    return CorruptedImage(to_bytes(moved))

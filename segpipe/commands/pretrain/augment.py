"""Augmentations of one picture: what they do to its pixels, and how their parameters are drawn.

Pixels are numpy arrays (H, W, 3) float32 from 0 to 1. OpenCV and Pillow compute them, with no state of their own, so
that threads do not wait for each other; parameters come from the generator that is handed in. The published
augmentations do what torchvision's classes do, which the original used (RandomResizedCrop, ColorJitter, Pillow's
GaussianBlur and solarize), without rounding to 8 bits in between.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from segpipe.base.geometry import Box, Size

Float32 = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

JITTER = (0.4, 0.4, 0.2, 0.1)
"""Brightness, contrast, saturation, hue: as published."""
_RATIOS = (3 / 4, 4 / 3)
_BLUR = (0.1, 2.0)  # pixels, standard deviation
_TRIES = 10
_GRAY = np.array([0.299, 0.587, 0.114], np.float32)


def draw_crop(size: Size, scale: tuple[float, float], generator: np.random.Generator) -> Box:
    """A box that covers a share of the picture between `scale`'s, width to height between 3/4 and 4/3.

    Where ten draws do not fit into the picture, its middle is taken, as much as the ratios allow.
    """
    area = size.height * size.width
    low, high = (math.log(ratio) for ratio in _RATIOS)
    for _ in range(_TRIES):
        target = area * generator.uniform(*scale)
        ratio = math.exp(generator.uniform(low, high))
        width, height = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < width <= size.width and 0 < height <= size.height:
            top = int(generator.integers(size.height - height + 1))
            return Box(top, int(generator.integers(size.width - width + 1)), height, width)
    width = min(size.width, max(1, round(size.height * _RATIOS[1])))
    height = min(size.height, max(1, round(size.width / _RATIOS[0])))
    return Box((size.height - height) // 2, (size.width - width) // 2, height, width)


def cut(rgb: Bytes, box: Box, side: int) -> Float32:
    """A box of a picture (H, W, 3) as a square of `side` pixels, bicubic and antialiased, from 0 to 1."""
    part = Image.fromarray(rgb[box.slices])
    made = np.asarray(part.resize((side, side), Image.Resampling.BICUBIC))
    return np.asarray(made, np.float32) / np.float32(255)


def jitter(x: Float32, generator: np.random.Generator) -> Float32:
    """Brightness, contrast, saturation and hue, each by a drawn amount, in a drawn order."""
    bright, contrast, saturation = (generator.uniform(1 - each, 1 + each) for each in JITTER[:3])
    turn = generator.uniform(-JITTER[3], JITTER[3])
    steps = (
        lambda y: _blend(y, np.float32(0), bright),
        lambda y: _blend(y, np.float32(gray(y).mean()), contrast),
        lambda y: _blend(y, gray(y)[..., None], saturation),
        lambda y: turn_hue(y, turn),
    )
    for which in generator.permutation(4):
        x = steps[which](x)
    return x


def _blend(x: Float32, other: Float32 | np.float32, share: float) -> Float32:
    """`share` of a picture and the rest of another one; beyond 1 away from the other."""
    mixed = np.float32(share) * x + np.float32(1 - share) * other
    return np.asarray(np.clip(mixed, 0, 1), np.float32)


def gray(x: Float32) -> Float32:
    """Luma (H, W) by ITU-R 601."""
    return np.asarray(x @ _GRAY, np.float32)


def turn_hue(x: Float32, turn: float) -> Float32:
    """Hue moved by `turn` of the color circle."""
    hsv = cv2.cvtColor(x, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + np.float32(360 * turn)) % np.float32(360)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.float32)


def colorless(x: Float32) -> Float32:
    """The picture in gray, in three channels."""
    return np.repeat(gray(x)[..., None], 3, axis=2)


def blur(x: Float32, generator: np.random.Generator) -> Float32:
    """Smoothed by a Gaussian of 0.1 to 2 pixels standard deviation."""
    sigma = generator.uniform(*_BLUR)
    side = 2 * math.ceil(3 * sigma) + 1
    return np.asarray(cv2.GaussianBlur(x, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101), np.float32)


def solarize(x: Float32) -> Float32:
    """Values from the middle upward are inverted."""
    return np.where(x >= np.float32(128 / 255), 1 - x, x).astype(np.float32)


def move(x: Float32, generator: np.random.Generator) -> Float32:
    """Moved by up to a tenth of its side in both directions; its own mirror image fills the rim."""
    shift = generator.uniform(-0.1, 0.1, 2) * x.shape[0]
    matrix = np.array([[1, 0, shift[1]], [0, 1, shift[0]]], np.float32)
    return np.asarray(cv2.warpAffine(x, matrix, x.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101), np.float32)


def add_noise(x: Float32, generator: np.random.Generator) -> Float32:
    """Gaussian noise of a standard deviation up to 0.1."""
    noise = generator.standard_normal(x.shape, dtype=np.float32)
    noisy = x + np.float32(generator.uniform(0, 0.1)) * noise
    return np.asarray(np.clip(noisy, 0, 1), np.float32)


def erase(x: Float32, generator: np.random.Generator) -> Float32:
    """A box of 2 to 33 hundredths of the picture filled with noise (Zhong et al. 2017, arXiv 1708.04896)."""
    box = draw_crop(Size(*x.shape[:2]), (0.02, 0.33), generator)
    out = x.copy()
    out[box.slices] = generator.random((box.height, box.width, 3), dtype=np.float32)
    return out

"""What the network and the judge see of an image under the published protocol (STEGO, Hamilton et al., ICLR 2022).

The short side is scaled to 320 pixels by nearest neighbor, images and labels alike, and the middle 320 x 320 are kept:
torchvision's `Resize(320, NEAREST)` and `CenterCrop(320)` of Pillow images.

The dense CRF sees the colors as BGR, after they were normalized for the network and back: see `crf_colors`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from segpipe.base.geometry import Box, Grid, Size
from segpipe.nn.backbones import IMAGENET
from segpipe.ops.crf.dense_crf import refine_probabilities
from segpipe.ops.maps.segment import CropCodes, Labels, label_pixels, probabilities
from segpipe.ops.maps.segment_config import SegmentConfig

SIDE = 320
SHARPNESS = 2.0
"""Factor of the cosines under the softmax."""

Float32 = npt.NDArray[np.float32]


def resized(size: Size, side: int = SIDE) -> Size:
    """The size of an image whose short side is scaled to `side`; the long one is cut off to whole pixels.

    >>> resized(Size(375, 500)), resized(Size(640, 427))
    (Size(height=320, width=426), Size(height=479, width=320))
    """
    short = min(size.height, size.width)
    return Size(*(side if length == short else int(side * length / short) for length in (size.height, size.width)))


def crop(array: npt.NDArray[Any], side: int = SIDE) -> npt.NDArray[Any]:
    """Scale an image or label (H, W, ...) by nearest neighbor and cut out its middle.

    Returns:
        (side, side, ...) of the same type; every value is one of the array's.
    """
    height, width = array.shape[:2]
    target = resized(Size(height, width), side)
    # where the difference is odd, Python's rounding decides, as in torchvision
    top, left = round((target.height - side) / 2), round((target.width - side) / 2)
    rows = _nearest(height, target.height)[top : top + side]
    cols = _nearest(width, target.width)[left : left + side]
    return np.asarray(array[rows][:, cols], order="C")


def _nearest(length: int, wanted: int) -> npt.NDArray[np.int32]:
    """Which of `length` pixels each of `wanted` takes: a ruler scaled by Pillow itself, whose rounding counts."""
    ruler = Image.fromarray(np.arange(length, dtype=np.int32)[None])
    return np.asarray(ruler.resize((wanted, 1), Image.Resampling.NEAREST), np.int32).reshape(wanted)


def crf_colors(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The colors (H, W, 3) that STEGO's CRF sees of a crop (H, W, 3): BGR, and some of them a gray level lower.

    There the network's input is scaled back by the mean and deviation of ImageNet, whatever the backbone, in float32
    and with decimals cut off, so that what came to 199.99999 is 199.
    """
    mean, std = (np.array(values, np.float32) for values in IMAGENET)
    levels = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
    back = ((levels - mean) / std * std + mean) * np.float32(255)
    seen = back.astype(np.uint8)  # (256, 3), for every level of every channel
    return np.stack([seen[rgb[..., channel], channel] for channel in (2, 1, 0)], axis=-1)


def unmirror(vectors: Float32, mirrored: Float32) -> Float32:
    """The mean of a crop's grid of vectors (rows, cols, d) and of its mirror image's, mirrored back."""
    return np.asarray((vectors + mirrored[:, ::-1]) / 2, np.float32)


def classify_crop(
    vectors: Float32, mirrored: Float32, grid: Grid, rgb: npt.NDArray[np.uint8], config: SegmentConfig
) -> Labels:
    """Classes of a crop: the vectors of both images averaged, upsampled, compared with the centers, CRF, argmax.

    The CRF carries every class to its last step.

    Args:
        vectors: (rows, cols, d) codes, or projected features, of the crop.
        mirrored: the same of its mirror image.
        grid: of a crop of this size.
        rgb: (side, side, 3) the crop.
        config: centers, members and CRF; side and sharpness are the protocol's.

    Returns:
        (side, side) classes 0 to K - 1.
    """
    side = len(rgb)
    crop = CropCodes([vectors], [grid], [Box(0, 0, side, side)], [mirrored])
    found = probabilities(crop, rgb, replace(config, side=side, sharpness=SHARPNESS, crf=None))
    if config.crf is not None:
        found = refine_probabilities(
            found.transpose(2, 0, 1), crf_colors(rgb), config.crf, threads=config.threads, tolerance=0
        ).transpose(1, 2, 0)
    return label_pixels(found, Size(side, side))

"""Films of a square that wanders over textured ground, with the mask of every frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from segpipe.images.video_writing import write_video

Bytes = npt.NDArray[np.uint8]


def wandering(index: int, *, height: int = 64, width: int = 96) -> tuple[Bytes, Bytes]:
    """Frame (H, W, 3) and mask (H, W) of 0 and 1."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(40, 110, (height, width, 3)).astype(np.uint8)
    mask = np.zeros((height, width), np.uint8)
    top, left = height // 4, 8 + (3 * index) % (width - 40)
    mask[top : top + 32, left : left + 32] = 1
    rgb[mask > 0] = (220, 120, 30)
    rgb[top + 8 : top + 24, left + 8 : left + 24] = (30, 120, 220)
    return rgb, mask


def write_wandering(path: Path, count: int, **size: int) -> Path:
    """A film of ten frames a second; returns its path."""
    with write_video(path, fps=10) as append:
        for index in range(count):
            append(wandering(index, **size)[0])
    return path


def write_masks(folder: Path, numbers: list[int], **size: int) -> Path:
    """Masks of some frames, named by their numbers; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(wandering(number, **size)[1]).save(folder / f"{number:06}.png")
    return folder

"""The transform of images that belong to no run: a box cut out, then a new size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size

Rgb = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CropResize:
    """A box to cut out and a size to bring it to; either may be left out."""

    crop: Box | None = None
    resize: Size | int | None = None
    """A size, whatever it does to the shape; or the longest side, which only ever makes smaller."""

    def misfit(self, size: Size) -> str:
        """Why this transform cannot be applied to an image of a size; empty where it can."""
        box = self.crop
        if box is None or (box.top + box.height <= size.height and box.left + box.width <= size.width):
            return ""
        return (
            f"--crop {box.top} {box.top + box.height} {box.left} {box.left + box.width} reaches outside its "
            f"{size.height} rows and {size.width} columns"
        )

    def size_of(self, size: Size) -> Size:
        """The size that an image of a size comes to."""
        inner = size if self.crop is None else self.crop.size
        if self.resize is None:
            return inner
        return inner.fit(self.resize) if isinstance(self.resize, int) else self.resize

    def apply(self, rgb: Rgb, valid: Bools | None) -> tuple[Rgb, Bools | None]:
        """Cut and scale an image (H, W, 3) and, where there is one, its mask (H, W) of pixels that hold image.

        Raises:
            ValueError: the box reaches outside the image.
        """
        problem = self.misfit(Size(*rgb.shape[:2]))
        if problem:
            raise ValueError(problem)
        out = self.size_of(Size(*rgb.shape[:2]))
        if self.crop is not None:
            rgb, valid = rgb[self.crop.slices], None if valid is None else valid[self.crop.slices]
        if Size(*rgb.shape[:2]) != out:
            shrinks = out.height * out.width < rgb.shape[0] * rgb.shape[1]
            rgb = _resized(rgb, out, cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
            valid = None if valid is None else _resized(valid.astype(np.uint8), out, cv2.INTER_NEAREST_EXACT) > 0
        return np.ascontiguousarray(rgb), None if valid is None or valid.all() else valid


def _resized(pixels: Any, size: Size, how: int) -> Any:
    return cv2.resize(np.ascontiguousarray(pixels), (size.width, size.height), interpolation=how)

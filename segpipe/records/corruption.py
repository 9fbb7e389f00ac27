"""A corruption: a way to take an image worse than it was taken, in steps of known strength."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Homography = npt.NDArray[np.float64]

FAMILIES = ("geometry", "focus", "light", "color", "artefact", "occlusion", "water")
"""What kinds of corruption there are, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class CorruptedImage:
    """A corrupted image, and what of it can be compared with the image as it was."""

    rgb: Rgb
    """(H, W, 3), as large as the image was; black where it shows nothing of it."""
    back: Homography | None = None
    """(3, 3), maps the pixel centers (x, y, 1) of the image to where they lie in `rgb`; None: they stay in place."""
    touched: Bools | None = None
    """(H, W), True where something was put onto the image; None where nothing was."""

    def __post_init__(self) -> None:
        if self.rgb.dtype != np.uint8 or self.rgb.ndim != 3 or self.rgb.shape[2] != 3:
            raise ValueError(f"a picture is (H, W, 3) uint8, not {self.rgb.shape} {self.rgb.dtype}")
        if self.back is not None and self.back.shape != (3, 3):
            raise ValueError(f"a homography is (3, 3), not {self.back.shape}")
        if self.touched is not None and (self.touched.shape != self.rgb.shape[:2] or self.touched.dtype != np.bool_):
            raise ValueError(f"touched is {self.touched.shape} {self.touched.dtype} for a picture {self.rgb.shape}")


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way to corrupt an image."""

    name: str
    """Without spaces, such as `motion-blur`."""
    family: str
    """One of `FAMILIES`."""
    levels: tuple[float, ...]
    """Weakest first, in `unit`; none leaves the image alone."""
    unit: str
    """What a level counts, such as `degrees`."""
    apply: Callable[[Rgb, float, np.random.Generator], CorruptedImage] = field(repr=False)
    """From an image (H, W, 3), a level and a generator for all that is left to chance to the corrupted image."""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES or not self.name or " " in self.name:
            raise ValueError(f"{self.name!r} of {self.family!r}: names hold no space, families are {FAMILIES}")
        steps = {after > before for before, after in pairwise(self.levels)}
        if not self.levels or len(steps) > 1 or len(set(self.levels)) != len(self.levels):
            raise ValueError(f"levels of {self.name} rise or fall: {self.levels}")

"""What a probe has found: one row per disturbance, level and measure."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One number with its 95% interval over images."""

    disturbance: str
    """Name in `DISTURBANCES`, or of a disturbance that is a probe's own, such as `roll`."""
    family: str
    level: float
    unit: str
    """Of the level."""
    measure: str
    """What was measured, such as `mask mIoU`."""
    value: float | None
    """None where no image could be measured."""
    low: float | None
    high: float | None
    """Ends of the interval; None for fewer than two images, whose spread nobody knows."""
    images: int
    """That were measured."""

    def __post_init__(self) -> None:
        for number in (self.value, self.low, self.high):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.disturbance} {self.level} {self.measure}: {number} is no finding; say None")
        if self.images < 0:
            raise ValueError(f"{self.images} images")

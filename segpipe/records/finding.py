"""Findings of a backbone probe: one row per corruption, level and measure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MIOU, KEPT = "mask mIoU", "pixels kept"
"""What is measured of a run's masks: mean IoU with the undisturbed ones, share of pixels that keep their class."""
ENOUGH = 0.8
"""Share of pixels that must keep their class for a mask to count as the same."""


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
    """Ends of the interval; None for fewer than two images, whose spread is unknown."""
    images: int
    """That were measured."""

    def __post_init__(self) -> None:
        for number in (self.value, self.low, self.high):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.disturbance} {self.level} {self.measure}: {number} is no finding; say None")
        if self.images < 0:
            raise ValueError(f"{self.images} images")


def tolerated(findings: Sequence[Finding]) -> float | None:
    """The strongest level up to which at least `ENOUGH` of the pixels keep their class; None where already fewer do.

    Args:
        findings: of one disturbance, weakest level first; other measures than `KEPT` are not looked at.
    """
    last = None
    for finding in findings:
        if finding.measure != KEPT:
            continue
        if finding.value is None or finding.value < ENOUGH:
            break
        last = finding.level
    return last

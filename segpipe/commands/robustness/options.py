"""Options of `segpipe probe RUN`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RobustnessOptions:
    """Which images of a run are corrupted, and how they are segmented again."""

    images: int | None = None
    """How many of the run, spread over it; 24 for None, 0 is all."""
    seed: int = 0
    """Of the choice of images, the corruptions and the intervals."""
    corruptions: Sequence[str] = ()
    """Names of corruptions; none is all."""
    crf: bool = False
    """Sharpen masks with the run's dense CRF, which takes half as long again."""
    size: int = 960
    """Longest side of the corrupted images in pixels; larger photographs are scaled down."""

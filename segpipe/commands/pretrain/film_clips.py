"""Clips of a film: a few frames at even distances, one clip for every frame that it can begin with."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.base.errors import UsageError, named

_SHARE = 2  # a clip spans at most the film's length over this
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """Where the clips of a film lie."""

    count: int
    """How many clips there are: clip i begins with frame i."""
    length: int
    """Frames of a clip."""
    spacing: int
    """Frames of the film from one frame of a clip to the next."""

    def places(self, clip: int) -> list[int]:
        """The frames of a clip."""
        return [clip + self.spacing * place for place in range(self.length)]


def plan_clips(frames: int, *, length: int, spacing: int) -> ClipPlan:
    """The clips of a film of some frames.

    As in DoRA's code there are `frames - length * spacing`. Where a film is so short that a clip would span more than
    half of it, frames lie closer together, which is said.

    Raises:
        UsageError: the film has no more frames than a clip.

    >>> plan_clips(400_000, length=8, spacing=60)
    ClipPlan(count=399520, length=8, spacing=60)
    >>> plan_clips(160, length=8, spacing=60)
    ClipPlan(count=80, length=8, spacing=10)
    """
    if frames <= length:
        raise UsageError(
            f"{named('clip_frames', length)}: the film holds {frames} frames that can be used, and must hold more than "
            f"one clip; give fewer, or a longer film"
        )
    fitting = max(1, frames // (_SHARE * length))
    if fitting < spacing:
        _log.warning(
            "the film has no more than %d frames: those of a clip lie %d apart instead of %d, so that it spans half of "
            "the film at most",
            *(frames, fitting, spacing),
        )
    spacing = min(spacing, fitting)
    return ClipPlan(frames - length * spacing, length, spacing)


def take_clip(pixels: npt.NDArray[np.uint8], plan: ClipPlan, clip: int) -> npt.NDArray[np.uint8]:
    """The frames (T, H, W, 3) of a clip, copied out of all (N, H, W, 3)."""
    return np.stack([pixels[place] for place in plan.places(clip)])

"""Cover of a film over time."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from segpipe.base.printable import readable

Shares = list[float | None]
"""One a class, 0 to 1; None where nothing has a class, and where there is no interval."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(_Record):
    """A second of a film, or as many as `cover.time_step` says."""

    second: float
    """When it begins."""
    frames: int
    scenes: int
    shares: Shares
    """Every frame counts for as long as it is shown within the span."""
    low: Shares = []
    """Lower ends of the 95% intervals by resampling scenes; empty for one scene."""
    high: Shares = []


class FilmCover(_Record):
    """One film: spans in which a frame was taken, and the whole of it."""

    film: Annotated[str, AfterValidator(readable)]
    step: float
    """Seconds of a span."""
    seconds: float
    """When the last frame that was taken ends."""
    spans: list[Span]
    whole: Span
    """All of it: every frame counts for as long as it is shown."""
    note: str = ""
    """Why the film as a whole has no interval, or why to doubt it."""

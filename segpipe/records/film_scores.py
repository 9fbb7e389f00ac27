"""Scores of a map over time: of films with labels, and of films without."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from segpipe.base.printable import readable

Name = Annotated[str, AfterValidator(readable)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RegionBoundary(_Record):
    """J, F and their mean (DAVIS), 0 to 1."""

    j: float
    """Region similarity: intersection over union, mean over frames."""
    f: float
    """Boundary accuracy, mean over frames."""
    jf: float


class Steadiness(_Record):
    """VC of one length of windows, 0 to 1, mean over windows."""

    windows: int
    steady: float
    """Of the pixels whose label stands still: one cluster in all frames of the window, as VSPW's program counts."""
    right: float
    """The cluster matched with the label in all of them, as VSPW's formula counts."""
    chance: float
    """`steady` of the same class maps in an order drawn by chance."""
    constant: float = 1.0
    """`steady` of one class everywhere."""


class FilmScores(_Record):
    """One film, under the one-to-one matching of all labelled images."""

    film: Name
    """Path of the video, or folder of the numbered pictures with the beginning of their names."""
    frames: int
    labelled: int
    """Frames with a label map."""
    seconds_apart: float | None
    """Median time from frame to frame; None for numbered pictures."""
    mean: RegionBoundary
    """Over the classes that the film's labels hold."""
    classes: dict[str, RegionBoundary]
    """By name of the label."""
    vc8: Steadiness | None
    vc16: Steadiness | None
    note: str = ""
    """Why there is no VC."""


class VideoScores(_Record):
    """All films."""

    films: list[FilmScores]
    mean: RegionBoundary
    """Over films."""
    vc8: Steadiness | None
    """Mean over the windows of all films."""
    vc16: Steadiness | None

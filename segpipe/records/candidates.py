"""Candidate records: the heads that were trained, one of which is kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Collapse(BaseModel):
    """Random pairs of patches got nearly the same codes everywhere."""

    model_config = ConfigDict(frozen=True)

    step: int
    """When it was noticed."""
    value: float
    """Mean cosine of their codes then."""


class Candidate(BaseModel):
    """One head: how it was made, and why it was kept or not."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Its method; with a number behind it where it corrects an attempt that collapsed."""
    method: str
    center: bool
    """Whether the corpus's mean feature is subtracted."""
    shifts: dict[str, float]
    """By kind of pair, as used; empty where the method is not given any."""
    steps: int
    """Steps done; 0 = nothing was trained."""
    dim: int
    collapsed: Collapse | None = None
    given_up: bool = False
    """Whether training ended early because another candidate agreed so much better that this one could not catch up."""
    agreement: float | None = None
    """Neighbor agreement, at most 1, of the head after `steps`; None where it was not judged."""
    chosen: bool = False
    why: str = ""
    """Why it was kept or not, in a few words."""

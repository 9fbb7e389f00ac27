"""Parts of a run on disk: the plan that says how many there are, and what is known of each that was done."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ListedImages(BaseModel):
    """The files of a run whose `index` is done in parts, as they were when the plan was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: int
    """How many were listed, films among them."""
    stamps: str
    """A fingerprint of their names, sizes and times."""


class PartPlan(BaseModel):
    """How a run is cut into parts; written once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    parts: int
    key: str
    """Of `extract`, as the pipeline makes it: of the corpus, and the settings that change features.

    Of the listed files instead of the corpus where `index` is done in parts too.
    """
    units: dict[str, int]
    """How many images and crops the corpus has, or files; what a part is of them is arithmetic."""
    made: str
    """UTC time, ISO 8601."""
    listed: ListedImages | None = None
    """What parts of `index` check; None where it was finished before the plan was made."""


class PartRecord(BaseModel):
    """One part of one stage that was done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    stage: str
    key: str
    """Of the stage, as the pipeline makes it."""
    part: int
    parts: int
    start: int
    """The first unit."""
    stop: int
    """The first unit that is not in it any more."""
    files: int
    """How many files it wrote or found written."""
    bytes: int
    """Of all of them."""
    sha256: str
    """Over the names and the SHA-256 of all of them, in order."""
    seconds: float
    finished: str
    """UTC time, ISO 8601."""
    versions: dict[str, str]
    host: str


class PartFailure(BaseModel):
    """Why a part was not done by the last that tried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: int
    reason: str
    host: str
    finished: str

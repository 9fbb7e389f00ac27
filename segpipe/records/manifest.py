"""Manifest: the stages that a run has finished."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class StageRecord(BaseModel):
    """One finished stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    """Fingerprint of everything the stage's result depends on; the same key means nothing is to be done."""
    artefact: str
    """Fingerprint that later stages build their keys from: of key and content, or what the stage calls its content's.

    Earlier versions wrote the key alone.
    """
    parts: dict[str, Any]
    """What went into the key (settings, format, inputs), so that a change can be named."""
    summary: dict[str, Any]
    seconds: float
    checksum: str = ""
    """SHA-256 of the artefact's list of checksums (`SHA256SUMS`); earlier versions wrote none."""
    finished: str
    """UTC time, ISO 8601."""
    versions: dict[str, str]
    machine: dict[str, Any]
    """Device, threads, platform."""


class Manifest(BaseModel):
    """All finished stages of a run by name."""

    model_config = ConfigDict(extra="forbid")

    format: int = 1
    stages: dict[str, StageRecord] = {}

"""Fault: something in a run that is not as it was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a run that is not as it was made."""

    path: Path
    why: str
    stage: str
    """That makes it again; empty where no stage does."""

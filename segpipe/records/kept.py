"""Kept classes: those that a run goes on with although its images are others than they were found on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class KeptClasses:
    """Which head and clusters a run keeps, and what they were found on."""

    head: str
    """Fingerprint of the head, as the manifest calls it."""
    clusters: str
    """Fingerprint of the clusters."""
    images: int
    """How many images they were found on."""
    space: Mapping[str, Any] = field(default_factory=dict)
    """What the features share with those that they were found on: settings, weights, precision, whitening,
    channels, views and the scaling of deep images."""
    source: str = ""
    """The run that they were taken from; empty: the run itself."""

    def told(self, images: int) -> str:
        """One line for logs, `segpipe show` and the report.

        Args:
            images: how many the run has now.
        """
        of = f" of {self.source}" if self.source else ""
        return f"kept: found on {self.images:,} images{of}; there are {images:,} now"

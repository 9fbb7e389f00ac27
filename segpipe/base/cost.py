"""Cost estimates of stages for `--dry-run`: not promises."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """How much there is to do, and how fast this machine is."""

    images: int
    crops: int
    megapixels: float
    """Of all images together."""
    workers: int
    gflops: float
    """Measured speed of a float32 matrix product, in 10^9 operations per second."""
    mosaic_windows: int = 0
    """Those of the crops that are windows of mosaics."""
    frame_megapixels: float = 0.0
    """Of those images that are frames of videos."""
    decoded_megapixels: float = 0.0
    """Of all frames of videos that have to be decoded for them."""
    channels: int = 0
    """Of an image; 0 where they are red, green and blue, or nobody knows yet."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of wall time and bytes on disk."""

    seconds: float
    bytes: float

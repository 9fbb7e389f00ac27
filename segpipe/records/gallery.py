"""Gallery records: the patches and images that show a class best."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch of one crop, as a sample of its class."""

    image: int
    """Index into `Corpus.images`."""
    crop: int
    """Index into `Corpus.crops`."""
    row: int
    """On the crop's grid."""
    col: int
    cosine: float
    """Of its code to the center of its class."""


@dataclass(frozen=True, slots=True)
class TopImage:
    """An image as a sample of a class."""

    image: int
    """Index into `Corpus.images`."""
    share: float
    """Of the image's pixels that have the class."""

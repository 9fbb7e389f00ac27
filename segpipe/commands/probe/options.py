"""Options of `segpipe probe IMAGES`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """Which backbone is probed, on how many images, and what is measured."""

    backbone: str = "dino_vits16"
    """Name of `segpipe backbones`, or any timm model's."""
    weights: Path | None = None
    """A file to load instead of the hub's."""
    block: int = -1
    """Block of a ViT or stage of a CNN; -1 is the last."""
    size: int = 256
    """Pixels of a side of the middle squares, brought to a multiple of four patches."""
    images: int | None = None
    """How many at most; 60 for None."""
    seed: int = 0
    """Of the choice of images, the corruptions and the intervals."""
    measures: Sequence[str] = ()
    """Some of center, focus, artefacts, agreement; none is all."""
    corruptions: Sequence[str] = ()
    """Names of corruptions; none is all."""
    device: str = "auto"
    """Where the network computes: the runtime is made for it."""

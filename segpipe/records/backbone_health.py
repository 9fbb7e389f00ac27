"""How healthy a frozen backbone is on some images, as `segpipe doctor --backbone` finds it without labels."""

from __future__ import annotations

from dataclasses import dataclass

from segpipe.records.corpus import Rejected


@dataclass(frozen=True, slots=True)
class BlockHealth:
    """One block of a ViT, or all there is of another backbone."""

    block: int
    """As `extract.blocks` counts: 0 is the first."""
    first: float
    """Share of the variance in the first principal component, 0 to 1."""
    first8: float
    """The same of the first eight."""
    position: float
    """Share of the variance that the place in the image explains in unseen images: 1 = all, 0 = none."""
    outliers: float | None
    """Share of tokens whose norm stands out; None where there are no tokens."""
    agreement: float
    """How far similar patches of different images share a class; higher is better, 0 is chance. It has no unit."""


@dataclass(frozen=True, slots=True)
class BackboneHealth:
    """What the table of `segpipe doctor --backbone` says."""

    backbone: str
    weights: str
    """Where the weights come from."""
    images: int
    """How many were looked at."""
    patches: int
    """How many patches of them."""
    drawn: bool
    """Whether the images were drawn, as none were given."""
    depth: int
    """Blocks that the network has."""
    blocks: tuple[BlockHealth, ...]
    """Those that were looked at, the last one last."""
    highest: int | None
    """The block that agrees more than the last one; None where there is none. It need not be the better one."""
    sentences: tuple[str, ...]
    """The findings in words."""
    rejected: tuple[Rejected, ...] = ()
    """Images that cannot be used, and why."""

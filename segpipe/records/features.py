"""Header of a feature store."""

from __future__ import annotations

from dataclasses import dataclass

from segpipe.base.geometry import Grid, Size, plan_grid


@dataclass(frozen=True, slots=True)
class FeatureHeader:
    """How the features of a store were made; enough to map every patch back to pixels."""

    backbone: str
    facet: str
    blocks: tuple[int, ...]
    side: int
    """Crops are scaled to about the area of `side` x `side` network pixels."""
    patch: int
    """Network pixels per patch side (the stride of the grid)."""
    dim: int
    """Length of one patch feature."""
    pool: str
    flipped: bool
    """Whether features of the mirrored crops are stored too."""
    norm: bool = True
    """Whether tokens passed the network's final norm."""
    precision: str = "float32"
    """Number type the network computed in."""
    weights: str = ""
    """The user's weights file; empty: the hub's, or none are needed."""
    source: str = ""
    """Where the weights came from, with what identifies them; empty in stores of versions before 0.2."""
    codec: str = "float16"
    """How features are packed (`records.codec`)."""

    def __post_init__(self) -> None:
        if min(self.side, self.patch, self.dim) < 1:
            raise ValueError(f"side, patch and dim must be positive: {self}")

    def grid(self, size: Size) -> Grid:
        """The patch grid of a crop of this size in image pixels."""
        return plan_grid(size, side=self.side, patch=self.patch)

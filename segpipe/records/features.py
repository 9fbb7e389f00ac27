"""Header of a feature store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from segpipe.base.geometry import Grid, Size, plan_grid
from segpipe.records.band_view import BandView, band_view_of

Positions = Literal["dino", "timm"]
"""Rules by which a ViT's learned positions are interpolated to another grid: `nn.positions`."""


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
    positions: Positions = "timm"
    """Rule of a ViT's learned positions; versions that did not write it knew timm's alone."""

    channels: tuple[str, ...] = ()
    """Names of what crops hold, where that is not red, green and blue."""
    views: tuple[BandView, ...] = ()
    """What of the channels the network saw, one after the other, their features joined; none: all of them at once."""

    def __post_init__(self) -> None:
        if min(self.side, self.patch, self.dim) < 1:
            raise ValueError(f"side, patch and dim must be positive: {self}")
        if any(len(view.weights[0]) != len(self.channels) for view in self.views):
            raise ValueError(f"views of other channels than {self.channels}: {self.views}")
        if self.positions not in get_args(Positions):
            raise ValueError(f"positions must be one of {', '.join(get_args(Positions))}, got {self.positions!r}")

    def to_dict(self) -> dict[str, Any]:
        """Its fields for JSON, without what earlier versions did not know where it is as it was then."""
        fields = asdict(self)
        for name, before in (("positions", "timm"), ("channels", ()), ("views", ())):
            if fields[name] in (before, list(before)):
                del fields[name]
        return fields

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> FeatureHeader:
        """The header of such fields.

        Raises:
            ValueError, KeyError, TypeError: they are none.
        """
        lists: dict[str, Any] = {"blocks": tuple(fields["blocks"]), "channels": tuple(fields.get("channels", ()))}
        return cls(**{**fields, **lists, "views": tuple(band_view_of(row) for row in fields.get("views", ()))})

    def grid(self, size: Size) -> Grid:
        """The patch grid of a crop of this size in image pixels."""
        return plan_grid(size, side=self.side, patch=self.patch)

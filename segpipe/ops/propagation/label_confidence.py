"""How sure carried labels are, from 0 to 1, without anything that is true being known.

Of a class in a frame: the overlap (intersection over union) that its mask would have with the truth if soft labels were
probabilities. Measured on DAVIS it goes with the true J of a frame (docs/howto/propagate.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from segpipe.ops.propagation.soft_maps import stretched

_LEAST = 1.0  # patches: less of a class than this in a frame in which it wins nowhere is nothing of it


@dataclass(frozen=True, slots=True)
class Sureness:
    """Of one frame."""

    patches: Tensor
    """(rows, cols) float32: the share of a patch's labels that speak for the class that it has."""
    overlap: Tensor
    """(channels,) float32: the overlap to be expected of each class; NaN of those that are not in the frame."""


def sureness(labels: Tensor, *, stretch: bool) -> Sureness:
    """How sure the labels of a frame are.

    Args:
        labels: (rows, cols, channels) shares.
        stretch: whether channels are brought to 0 to 1 before they are compared, as of `soft_maps.Deciding`.
    """
    compared = stretched(labels.permute(2, 0, 1)) if stretch else labels.permute(2, 0, 1)
    winner = compared.argmax(dim=0)
    wins = torch.nn.functional.one_hot(winner, labels.shape[-1]).to(labels.dtype)
    within, inside = (labels * wins).sum(dim=(0, 1)), wins.sum(dim=(0, 1))
    outside = (labels * (1 - wins)).sum(dim=(0, 1))
    there = (inside > 0) | (outside >= _LEAST)
    overlap = torch.where(there, within / (inside + outside).clamp_min(1e-12), torch.nan)
    return Sureness(labels.gather(-1, winner[..., None])[..., 0].clamp(0, 1), overlap.clamp(0, 1))

"""Labels of a frame as the weighted mean of those of its most alike patches in other frames.

The protocol is that of DINO (Caron et al. 2021, section 4.2.2, video instance segmentation), after Jabri et al. 2020,
arXiv 2006.14613: cosines of patch features, of those in a neighborhood the `top` largest over all context frames
together, weights exp(cosine / temperature), normalized. The exponentials of DINO and the softmax of DINOv3 are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from segpipe.ops.propagation.neighborhood import PatchTile, Shape, cut_tiles, near


@dataclass(frozen=True, slots=True)
class AffinityRule:
    """From which patches labels are taken, and with what weight."""

    radius: int = 12
    """Patches around a patch's own place; 0: all of the frame."""
    shape: Shape = "square"
    top: int = 5
    """How many patches, over all context frames together; more only where several are exactly as alike as the last."""
    temperature: float = 0.1


def unit_features(features: Tensor) -> Tensor:
    """Features (..., d) float32 of length 1."""
    return torch.nn.functional.normalize(features.float(), dim=-1, p=2)


def carry_labels(target: Tensor, sources: Sequence[Tensor], labels: Sequence[Tensor], rule: AffinityRule) -> Tensor:
    """Carry labels to a frame from context frames of the same grid.

    Memory: the cosines of one tile of patches at a time, some 4 MB for a context of eight frames.

    Args:
        target: (rows, cols, d) features of the frame, each of length 1.
        sources: of each context frame the same.
        labels: of each context frame (rows, cols, channels).
        rule: how.

    Returns:
        (rows, cols, channels) float32: shares.
    """
    rows, cols, width = target.shape
    channels = labels[0].shape[-1]
    flat = torch.cat([each.reshape(rows * cols, channels) for each in labels])
    found = target.new_empty(rows, cols, channels)
    for tile in cut_tiles(rows, cols, rule.radius):
        keys = torch.cat([each[tile.reach].reshape(-1, width) for each in sources])
        cosines = target[tile.inner].reshape(-1, width) @ keys.T
        mask = near(tile, rule.radius, rule.shape, target.device)
        cosines.view(len(mask), len(sources), -1).masked_fill_(~mask[:, None], -torch.inf)
        size = (tile.bottom - tile.top, tile.right - tile.left)
        places = _places(tile, rows, cols, len(sources), target.device)
        found[tile.inner] = _mixed(cosines, flat, places, rule).reshape(*size, channels)
    return found


def _places(tile: PatchTile, rows: int, cols: int, frames: int, device: torch.device) -> Tensor:
    """Where the patches in reach of a tile lie among all patches of all frames: (frames * patches in reach,)."""
    v = torch.arange(tile.reach_top, tile.reach_bottom, device=device)
    u = torch.arange(tile.reach_left, tile.reach_right, device=device)
    inner = (v[:, None] * cols + u).reshape(-1)
    return (torch.arange(frames, device=device)[:, None] * (rows * cols) + inner).reshape(-1)


def _mixed(cosines: Tensor, labels: Tensor, places: Tensor, rule: AffinityRule) -> Tensor:
    """Labels (n, channels) of patches by their cosines (n, m) to patches at `places` (m,)."""
    top = min(rule.top, cosines.shape[1])
    values, which = cosines.topk(min(top + 1, cosines.shape[1]), dim=1)
    tied = (values[:, top - 1] == values[:, -1]) & (values[:, -1] > -torch.inf) if top < values.shape[1] else None
    values, which = values[:, :top], which[:, :top]
    weights = torch.softmax(values / rule.temperature, dim=1)
    mixed = torch.einsum("nk,nkc->nc", weights, labels[places[which]])
    if tied is not None and bool(tied.any()):  # frames that are shown twice: what is as alike as the last counts too
        for row in tied.nonzero().flatten().tolist():
            chosen = (cosines[row] >= values[row, -1]).nonzero().flatten()
            share = torch.softmax(cosines[row, chosen] / rule.temperature, dim=0)
            mixed[row] = share @ labels[places[chosen]]
    return mixed

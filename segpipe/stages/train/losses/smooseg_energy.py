"""SmooSeg's energy: similar patches get one class, and the classes stay sharp (Lan et al., NeurIPS 2023, eq. 3 to 8).

Shapes: B items (crops) of N patches, d features, c codes, K prototypes. Everything is float32 and on the device of its
inputs. Patches that are not valid take no part, whatever they hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class CropShares:
    """Crops with the classes of their patches."""

    features: Tensor
    """(B, N, d) frozen features."""
    shares: Tensor
    """(B, N, K) share of every prototype in a patch."""
    valid: Tensor
    """(B, N) bool."""

    def take(self, items: Tensor) -> CropShares:
        """The crops `items` (B,), with repeats."""
        flat = self.shares.flatten(1)
        # not by indexing: an embedding adds up its gradients in a fixed order, so that a run can be resumed bit by bit
        return CropShares(
            self.features[items], functional.embedding(items, flat).view_as(self.shares), self.valid[items]
        )


def cosines(codes: Tensor, prototypes: Tensor) -> Tensor:
    """Cosine of each code (..., c) to each prototype (K, c): (..., K)."""
    return functional.normalize(codes, dim=-1) @ functional.normalize(prototypes, dim=-1).T


def smoothness_loss(first: CropShares, second: CropShares, *, shift: float, pointwise: bool) -> Tensor:
    """Price of giving similar patches different classes: mean over valid pairs of (W - shift) (1 - cos(p, q)).

    W is the cosine of the features of a patch of `first` and a patch of the same item of `second`, p and q are their
    shares. Pairs whose W lies below the shift are paid for being different.

    Args:
        first: B items.
        second: for each item the crop to compare it with: itself, or another one.
        shift: b of equation 5, where similar begins.
        pointwise: of each patch's W take its mean away, and put back the mean over all pairs.

    Returns:
        The loss, a scalar; 0 without a valid pair. Gradients flow through the shares alone.
    """
    with torch.no_grad():
        pairs = (first.valid[:, :, None] & second.valid[:, None, :]).to(first.features)
        count = pairs.sum().clamp(min=1)
        units = (functional.normalize(side.features, dim=-1, eps=1e-10) for side in (first, second))
        correlations = torch.einsum("bnd,bmd->bnm", *units) * pairs
        if pointwise:
            mean = correlations.sum() / count
            correlations = (
                correlations - correlations.sum(2, keepdim=True) / pairs.sum(2, keepdim=True).clamp(min=1)
            ) * pairs
            correlations = correlations - correlations.sum() / count + mean
        worth = (correlations - shift) * pairs / count
    shares = (functional.normalize(side.shares, dim=-1, eps=1e-10) for side in (first, second))
    return (worth * (1 - torch.einsum("bnk,bmk->bnm", *shares))).sum()


def data_loss(codes: Tensor, prototypes: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """Cross entropy that pulls prototypes to the codes of their class (equation 7); the codes get no gradient.

    Args:
        codes: (B, N, c).
        prototypes: (K, c), any length.
        targets: (B, N) int64, the prototype each patch belongs to.
        valid: (B, N) bool.

    Returns:
        The mean over valid patches of the cross entropy of their cosines, as published without a temperature; a
        scalar, 0 without a valid patch.
    """
    logits = cosines(codes.detach(), prototypes)
    losses = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    shown = valid.flatten().to(losses)
    return (losses * shown).sum() / shown.sum().clamp(min=1)

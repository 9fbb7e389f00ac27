"""Hidden-positive loss: patches more similar than a pool of random patches shows get similar codes.

Seong et al., "Leveraging Hidden Positives for Unsupervised Semantic Segmentation", CVPR 2023, equations 1 to 7; without
the augmented view (alpha = 0), which would need features of changed images.

Shapes: B items (crops) of N patches, d features, c codes, P patches in a pool. Everything is float32 and on the device
of its inputs. Patches that are not valid take no part, whatever they hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors in which positives are looked for, without gradient."""

    units: Tensor
    """(B, N, d) unit rows."""
    limits: Tensor
    """(B, N) largest cosine of each patch to a pool: larger ones mean hidden positives (equation 1)."""

    @classmethod
    @torch.no_grad()
    def of(cls, features: Tensor, pool: Tensor) -> Space:
        """The space of features (B, N, d) and a pool (P, d), both of any length."""
        units = functional.normalize(features, dim=-1)
        return cls(units, (units @ functional.normalize(pool, dim=-1).T).amax(-1))

    def positives(self, item: int) -> Tensor:
        """Pairs of a patch of one item and any patch whose cosine is above the limit of either, (N, B * N) bool."""
        cosines = self.units[item] @ self.units.flatten(0, 1).T
        return (cosines > self.limits[item][:, None]) | (cosines > self.limits.flatten()[None, :])


def contrast(units: Tensor, weights: Tensor, kept: Tensor, item: int, *, temperature: float) -> Tensor:
    """Supervised contrast of one item's patches against the batch (equation 3), anchors weighted by their positives.

    sum_ij w_ij (log sum_k exp(s_ik) - s_ij) / sum_ij w_ij with s = cos / temperature, k over the kept patches.
    Weighting each anchor's mean by its sum of weights, as published, makes it this one quotient.

    Args:
        units: (B, N, c) unit codes.
        weights: (N, B * N) of the positives of the item's patches, 0 for all other pairs.
        kept: (N, B * N) bool, what the positives stand against.
        item: which.
        temperature: see above.

    Returns:
        A scalar; 0 where all weights are. The published factor temperature / 0.07 is left to the caller.
    """
    logits = units[item] @ units.flatten(0, 1).T / temperature
    sums = weights.sum(1)
    # anchors without weight keep all, as the log of an empty sum has no gradient
    totals = torch.logsumexp(logits.masked_fill(~(kept | (sums == 0)[:, None]), float("-inf")), dim=1)
    return ((totals * sums).sum() - (logits * weights).sum()) / sums.sum().clamp(min=1e-12)


def hidden_positive_losses(
    codes: tuple[Tensor, ...],
    agnostic: Space,
    specific: Space,
    valid: Tensor,
    *,
    share: float,
    random: Tensor | None,
    temperature: float,
    base: float = 0.07,
) -> tuple[Tensor, ...]:
    """The contrast of several sets of codes by the same hidden positives.

    A pair's weight is 1 where it is positive by the frozen features and `share` more where it is by the trained ones; a
    patch without a positive by frozen features is no anchor. Positives stand against the positives by frozen features
    and a random part of all others.

    Args:
        codes: sets of (B, N, c); published: the projected codes, and those mixed with their neighbors.
        agnostic: the frozen features.
        specific: codes of the head's running mean.
        valid: (B, N) bool.
        share: weight of the second kind, 0 to 1 in the course of training.
        random: (N, B * N) bool, for the patch at each place the others that it stands against; None for all.
        temperature: of the contrast.
        base: the loss is multiplied by temperature / base.

    Returns:
        For each set the mean over the items with positives, a scalar; 0 where there is none.
    """
    count, length = valid.shape
    units = [functional.normalize(each, dim=-1) for each in codes]
    totals: list[list[Tensor]] = [[] for _ in codes]
    found = 0
    for item in range(count):
        with torch.no_grad():
            pairs = valid[item][:, None] & valid.flatten()[None, :]
            own = torch.arange(length, device=valid.device)
            pairs[own, own + item * length] = False
            near = agnostic.positives(item) & pairs
            weights = near.to(codes[0])
            if share:
                weights += share * (specific.positives(item) & pairs & near.any(1, keepdim=True))
            kept = pairs if random is None else pairs & (near | random)
            found += int(near.any())
        for losses, each in zip(totals, units, strict=True):
            losses.append(contrast(each, weights, kept, item, temperature=temperature))
    return tuple(torch.stack(losses).sum() * (temperature / base / max(1, found)) for losses in totals)


def mix_neighbors(codes: Tensor, features: Tensor, valid: Tensor, grids: Tensor) -> Tensor:
    """Each code mixed with those of the similar ones among its 3 x 3 neighbors (local hidden positives, equation 6).

    As in the published code: a patch's attention to all others is clamped to its 0.1 and 0.9 quantiles, a softmax is
    taken, times 28, and what is below its mean becomes 0; mixed codes are sums over the 3 x 3 neighbors, the patch
    itself among them, divided by how many there are. A feature store holds no attention, and the cosine of the frozen
    features takes its place.

    Args:
        codes: (B, N, c).
        features: (B, N, d) without gradient.
        valid: (B, N) bool.
        grids: (B, 2) int64 on the same device; item i fills the first rows * cols places, row by row.

    Returns:
        (B, N, c); anything where a patch is not valid.
    """
    with torch.no_grad():
        units = functional.normalize(features, dim=-1)
        cosines = torch.einsum("bnd,bmd->bnm", units, units)
        weights = torch.stack([_attended(each, shown) for each, shown in zip(cosines, valid, strict=True)])
        place = torch.arange(codes.shape[1], device=codes.device).expand(valid.shape)
        rows, cols = place // grids[:, 1:], place % grids[:, 1:]
        close = ((side[:, :, None] - side[:, None, :]).abs() <= 1 for side in (rows, cols))
        near = (next(close) & next(close) & valid[:, None, :]).to(weights)
        weights = weights * near / near.sum(2, keepdim=True).clamp(min=1)
    return weights @ torch.where(valid[..., None], codes, 0.0)


def _attended(attention: Tensor, valid: Tensor, *, low: float = 0.1, high: float = 0.9, gain: float = 28.0) -> Tensor:
    """The published weights (N, N) of an item from its attention (N, N); 0 for patches that are not valid (N,)."""
    found = torch.zeros_like(attention)
    if not valid.any():
        return found
    seen = attention[:, valid]
    ordered = seen.sort(dim=1).values  # torch.quantile takes no more than 2 to the 24 numbers
    spread = seen.clamp(*(_quantile(ordered, share) for share in (low, high))).softmax(1) * gain
    found[:, valid] = torch.where(spread < spread.mean(1, keepdim=True), 0.0, spread)
    return found


def _quantile(ordered: Tensor, share: float) -> Tensor:
    """Of each sorted row of (N, M) the linearly interpolated quantile, (N, 1)."""
    place = share * (ordered.shape[1] - 1)
    first = int(place)
    return torch.lerp(ordered[:, first], ordered[:, min(first + 1, ordered.shape[1] - 1)], place - first)[:, None]

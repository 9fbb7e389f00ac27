"""STEGO's loss over the pairs of points of one step, computed for some anchors at a time.

The same numbers as `correspondence.stego_loss`, up to rounding: there everything of a step is one graph, here the
anchors come in parts whose order of summing is fixed, so that threads can share the work and change nothing.

The loss of a set of pairs is the mean of -clamp(C) (F0 + base - shift): F0 are the correlations of features, each
anchor point's mean taken away, and base puts the mean over everything back (without spatial centering F0 = F and base
is 0). Base, and a shift that is made of the step's mean correlations, need all parts: `Sums` of each are added up
first, then each part's gradient is made.

Shapes: B anchors, of which a part has b; K sets of points that they are held against, the anchors' own first;
P points of a set; d features, c codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from segpipe.ops.correspondence import Shift
from segpipe.ops.points import Drawn, corners, weigh


@dataclass(frozen=True, slots=True)
class Places:
    """Where the points of a step lie in a table of tokens: the anchors' tokens, then the neighbors'."""

    kinds: tuple[str, ...]
    """(K,) kind of pair of each set."""
    rows: Tensor
    """(B, K, P, 4) int64 patches around each point."""
    shares: Tensor
    """(B, K, P, 4) float32 what each of them counts."""
    items: Tensor
    """(B, K) crop that each set lies on, those of the neighbors from B on."""

    def part(self, anchors: range) -> Places:
        """Those of some anchors."""
        some = slice(anchors.start, anchors.stop)
        return Places(self.kinds, self.rows[some], self.shares[some], self.items[some])

    def to(self, device: torch.device) -> Places:
        """The same on a device."""
        return Places(self.kinds, self.rows.to(device), self.shares.to(device), self.items.to(device))


def place(drawn: Sequence[tuple[str, Drawn]], grids: Sequence[Tensor], lengths: Sequence[int]) -> Places:
    """Find the patches around all points of a step.

    Args:
        drawn: of `draw_points`.
        grids: (B, 2) rows and columns of the anchors, and of the neighbors where there are any.
        lengths: N of both, places of a crop in the table.
    """
    near = torch.tensor([points.near for _, points in drawn])
    count, table = len(grids[0]), torch.tensor([0, len(grids[0]) * lengths[0]])
    items = torch.stack([points.items + points.near * count for _, points in drawn], dim=1)  # (B, K)
    coords = torch.stack([points.coords for _, points in drawn], dim=1)
    sizes = torch.tensor([lengths[side] for side in near.long().tolist()])
    firsts = table[near.long()] + (items - near.long() * count) * sizes
    rows, shares = (
        found.view(*items.shape, -1, 4)
        for found in corners(torch.cat([*grids]), coords.flatten(0, 1), items.flatten(), firsts.flatten())
    )
    return Places(tuple(kind for kind, _ in drawn), rows, shares, items)


@dataclass(frozen=True, slots=True)
class Clamp:
    """Between which cosines of codes the loss has a slope."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Part:
    """The pairs of some anchors."""

    found: Tensor
    """C (b, P, K, P), cosines of codes, with a graph to the codes."""
    clamped: Tensor
    """The same, clamped."""
    held: Tensor
    """F0 (b, P, K, P), what they are held against, without gradient."""
    sums: Tensor
    """(4, K) float64: of F, of C, of clamp(C), of clamp(C) F0."""


def correlate(tokens: Tensor, codes: Tensor, kept: Tensor, places: Places, *, pointwise: bool, clamp: Clamp) -> Part:
    """Correlations of features and of codes between anchors and all that they are held against.

    Args:
        tokens: (T, d) the mean feature taken away.
        codes: (T, c) with gradient.
        kept: (b, K, d) what the channels of each set's features are multiplied by.
        places: of b anchors, their rows pointing into `tokens` and `codes`.
        pointwise: center the features' correlations spatially.
        clamp: of the cosines of codes.
    """
    features = weigh(tokens, places.rows, places.shares).mul_(kept[:, :, None])
    features.div_(torch.linalg.vector_norm(features, dim=-1, keepdim=True).clamp_(min=1e-10))
    held = _products(features)
    means = held.mean(-1)  # (b, P, K)
    total = means.sum((0, 1), dtype=torch.float64) * held.shape[-1]
    if pointwise:
        held.sub_(means[..., None])
    with torch.enable_grad():
        found = _products(functional.normalize(weigh(codes, places.rows, places.shares), dim=-1, eps=1e-10))
        clamped = functional.hardtanh(found, clamp.low, clamp.high)
    with torch.no_grad():
        sums = [x.sum(-1).sum((0, 1), dtype=torch.float64) for x in (found, clamped, clamped * held)]
    return Part(found, clamped, held, torch.stack([total, *sums]))


def _products(points: Tensor) -> Tensor:
    """(b, K, P, d) to (b, P, K, P): each set's points with those of the first set."""
    size, sets, count, dim = points.shape
    return torch.bmm(points[:, 0], points.view(size, sets * count, dim).mT).view(size, count, sets, count)


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss of a step, and what its gradient is made of."""

    total: Tensor
    """() float64."""
    parts: dict[str, Tensor]
    """() by kind of pair, before weighting."""
    bases: Tensor
    """(K,) mean of F, put back to F0; 0 without spatial centering."""
    slopes: Tensor
    """(K,) d total / d (mean loss of the set)."""
    offsets: Tensor
    """(K,) base - shift."""
    pulls: Tensor
    """(K,) d total / d C by way of a shift that is made of C's mean, the same for all pairs."""


def step_loss(
    sums: Tensor,
    kinds: Sequence[str],
    *,
    pairs: int,
    weights: Mapping[str, float],
    shifts: Mapping[str, Shift],
    pointwise: bool,
) -> Loss:
    """The loss from the sums over all its parts.

    Args:
        sums: (4, K) of `Part`, added up.
        kinds: (K,) of `Places`.
        pairs: of each set, B P P.
        weights: of each kind; sets of one kind share it evenly.
        shifts: of each kind; one that is made of F and C is given their means, of which all of those here are made.
        pointwise: see `correlate`.
    """
    means = sums / pairs
    bases = means[0] if pointwise else torch.zeros_like(means[0])
    with torch.enable_grad():
        leaning = means[1].clone().requires_grad_()
        given = [shifts[kind] for kind in kinds]
        shift = torch.stack(
            [s(means[0, i], leaning[i]) if callable(s) else leaning.new_tensor(s) for i, s in enumerate(given)]
        )
        losses = -(means[3] + (bases - shift) * means[2])
        slopes = losses.new_tensor([weights[kind] / kinds.count(kind) for kind in kinds])
        total = (slopes * losses).sum()
        (pulls,) = torch.autograd.grad(total, leaning, allow_unused=True) if shift.requires_grad else (None,)
    losses = losses.detach()
    parts = {kind: torch.stack([losses[i] for i, k in enumerate(kinds) if k == kind]).mean() for kind in kinds}
    pulls = torch.zeros_like(slopes) if pulls is None else pulls / pairs
    return Loss(total.detach(), parts, bases, slopes / pairs, bases - shift.detach(), pulls)


def slope(part: Part, codes: Tensor, loss: Loss) -> Tensor:
    """The gradient of the total by the codes (T, c) that a part was made of."""
    offsets, slopes = loss.offsets.float()[:, None], loss.slopes.float()[:, None]
    by_clamped = (part.held + offsets).mul_(-slopes)
    if not loss.pulls.any():
        return torch.autograd.grad(part.clamped, codes, by_clamped)[0]
    pulls = loss.pulls.float()[:, None].expand_as(part.found)
    return torch.autograd.grad((part.clamped, part.found), codes, (by_clamped, pulls))[0]

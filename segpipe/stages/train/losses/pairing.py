"""STEGO's loss over the pairs of points of one step and its gradient, computed for some anchors at a time.

The same numbers as the plain loss on whole crops, up to rounding: there everything of a step is one graph,
here every product of matrices is written out, and the anchors come in parts whose order of summing is fixed, so that
threads can share the work and change nothing.

The loss of a set of pairs is the mean of -clamp(C) (F0 + base - shift): F0 are the correlations of features, each
anchor point's mean taken away, and base puts the mean over everything back (without spatial centering F0 = F and base
is 0). The mean correlation of two sets is the product of their mean unit vectors, so base, and a shift that is made of
mean correlations, are known before any pair is read (`pair_targets`); each pair is then read once (`pair_gradients`).

Shapes: B anchors, of which a part has b; K sets of points that they are compared with, the anchors' own first;
P points of a set; d features, c codes; a table of the T tokens that the points are read from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from segpipe.stages.train.losses import pairing_loops as loops
from segpipe.stages.train.losses.correspondence import Shift
from segpipe.stages.train.losses.sampled_points import PointSet, weigh

_EPS = 1e-10  # the shortest length that a vector is divided by


@dataclass(frozen=True, slots=True)
class Interpolation:
    """Where the points of some anchors lie in a table of tokens."""

    rows: Tensor
    """(b, K, P, 4) int32 patches around each point."""
    shares: Tensor
    """(b, K, P, 4) float32 what each of them counts."""

    def part(self, anchors: range) -> Interpolation:
        """Those of some anchors."""
        some = slice(anchors.start, anchors.stop)
        return Interpolation(self.rows[some], self.shares[some])


@dataclass(frozen=True, slots=True)
class Readers:
    """For each token of a table the points that read it: `Interpolation` of a step turned round."""

    points: Tensor
    """(4 B K P,) int32 place of the point among all of them, token after token."""
    shares: Tensor
    """(4 B K P,) float32 what the token counts for it."""
    starts: Tensor
    """(T,) int32 where the readers of each token begin."""

    def collect(self, vectors: Tensor) -> Tensor:
        """Gradients by points (B K P, c) to gradients by tokens (T, c), summed in a fixed order."""
        found: Tensor = functional.embedding_bag(
            self.points, vectors, self.starts, per_sample_weights=self.shares, mode="sum"
        )
        return found


@dataclass(frozen=True, slots=True)
class PointLayout:
    """The points of a step, and the tokens that they are read from: only those next to a point are in the table."""

    kinds: tuple[str, ...]
    """(K,) kind of pair of each set."""
    interpolation: Interpolation
    """Of all B anchors."""
    readers: Readers
    patches: tuple[Tensor, ...]
    """Of each crop which of its patches are in the table, int64, rising; the anchors' crops come first."""

    def to(self, device: torch.device) -> PointLayout:
        """The same on a device, but for `patches`, which stay where they are."""
        interpolation = Interpolation(self.interpolation.rows.to(device), self.interpolation.shares.to(device))
        readers = (self.readers.points, self.readers.shares, self.readers.starts)
        return replace(self, interpolation=interpolation, readers=Readers(*(tensor.to(device) for tensor in readers)))


def lay_out(drawn: Sequence[tuple[str, PointSet]], grids: Sequence[Tensor], lengths: Sequence[int]) -> PointLayout:
    """Find the patches around all points of a step.

    Args:
        drawn: of `draw_points`.
        grids: (B, 2) rows and columns of the anchors, and of the neighbors where there are any.
        lengths: N of both, places of a crop among its side's tokens.
    """
    count = len(grids[0])
    items = torch.stack([points.items + points.near * count for _, points in drawn], dim=1).numpy()  # (B, K)
    coords = torch.stack([points.coords for _, points in drawn], dim=1).flatten(0, 1).flatten(1, 2).numpy()
    rows = np.empty((*coords.shape[:2], 4), np.int32)
    shares = np.empty(rows.shape, np.float32)
    firsts = np.concatenate([[0], np.repeat(lengths, count).cumsum()])
    loops.locate(coords, items.ravel(), torch.cat([*grids]).numpy(), firsts, rows, shares)
    starts, patches = np.empty_like(firsts), np.empty(firsts[-1], np.int64)
    readers = np.empty(firsts[-1] + 1, np.int32)
    tokens = loops.shorten(rows.reshape(-1), firsts, starts, patches, readers)
    points, counts = np.empty(rows.size, np.int32), np.empty(rows.size, np.float32)
    loops.turn(rows.reshape(-1), shares.reshape(-1), readers[:tokens], points, counts)
    shape = (*items.shape, -1, 4)
    return PointLayout(
        tuple(kind for kind, _ in drawn),
        Interpolation(torch.from_numpy(rows).view(shape), torch.from_numpy(shares).view(shape)),
        Readers(*map(torch.from_numpy, (points, counts, readers[:tokens]))),
        torch.split(torch.from_numpy(patches[:tokens]), np.diff(starts).tolist()),
    )


@dataclass(frozen=True, slots=True)
class PointVectors:
    """Features and codes at the points of some anchors and their sets, as unit vectors."""

    features: Tensor
    """(b, K, P, d)"""
    codes: Tensor
    """(b, K, P, c)"""
    lengths: Tensor
    """(b, K, P, 1) of the codes before."""
    feature_sums: Tensor
    """(b, K, d) of each set's features."""
    code_sums: Tensor
    """(b, K, c) of each set's codes."""

    def sums(self) -> Tensor:
        """(2, K) float64: of all correlations of features, and of codes."""
        found = (sums.double() for sums in (self.feature_sums, self.code_sums))
        return torch.stack([(sums * sums[:, :1]).sum((0, 2)) for sums in found])


def read_points(tokens: Tensor, codes: Tensor, interpolation: Interpolation) -> PointVectors:
    """Read tokens (T, d) and codes (T, c) at the points of some anchors."""
    features = weigh(tokens, interpolation.rows, interpolation.shares)
    features.div_(_lengths(features))
    read = weigh(codes, interpolation.rows, interpolation.shares)
    lengths = _lengths(read)
    read.div_(lengths)
    return PointVectors(features, read, lengths, features.sum(2), read.sum(2))


def _lengths(vectors: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return lengths.clamp_(min=_EPS)


@dataclass(frozen=True, slots=True)
class PairTargets:
    """What the codes' cosines of a step are compared with, and how that enters its loss."""

    pointwise: bool
    """Whether each anchor point's mean is taken from the features' correlations."""
    bases: Tensor
    """(K,) float64 mean of F, put back to F0; 0 without spatial centering."""
    offsets: Tensor
    """(K,) float64 base - shift."""
    shift_slopes: Tensor
    """(K,) float64 d shift / d mean C."""
    slopes: Tensor
    """(K,) float64 d total / d (loss summed over the set's pairs)."""


def pair_targets(
    sums: Tensor,
    kinds: Sequence[str],
    *,
    pairs: int,
    weights: Mapping[str, float],
    shifts: Mapping[str, Shift],
    pointwise: bool,
) -> PairTargets:
    """What a step's pairs are compared with.

    Args:
        sums: (2, K) of `PointVectors.sums`, of all parts.
        kinds: (K,) of `Interpolation`.
        pairs: of each set, B P P.
        weights: of each kind; sets of one kind share it evenly.
        shifts: of each kind; one that is made of F and C is given their means, of which all of those here are made.
        pointwise: center the features' correlations spatially.
    """
    means = sums / pairs
    bases = means[0] if pointwise else torch.zeros_like(means[0])
    with torch.enable_grad():
        mean_codes = means[1].clone().requires_grad_()
        given = [shifts[kind] for kind in kinds]
        shift = torch.stack(
            [s(means[0, i], mean_codes[i]) if callable(s) else mean_codes.new_tensor(s) for i, s in enumerate(given)]
        )
        shift_slopes = (
            torch.autograd.grad(shift.sum(), mean_codes)[0] if shift.requires_grad else torch.zeros_like(bases)
        )
    slopes = bases.new_tensor([weights[kind] / kinds.count(kind) / pairs for kind in kinds])
    return PairTargets(pointwise, bases, bases - shift.detach(), shift_slopes, slopes)


@dataclass(frozen=True, slots=True)
class Clamp:
    """Between which cosines of codes the loss has a slope."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairGradients:
    """Gradients and sums of the pairs of some anchors."""

    by_codes: Tensor
    """(b, K, P, c) gradient of the total by the unit codes, but for what shifts that depend on codes add."""
    sums: Tensor
    """(2, K) float64: of clamp(C) (F0 + base - shift), and of clamp(C), which is 0 where no shift depends on codes."""


def pair_gradients(points: PointVectors, targets: PairTargets, clamp: Clamp) -> PairGradients:
    """The gradient by codes of every pair of points of some anchors, and the loss."""
    size, sets, count, dim = points.codes.shape
    flat = points.codes.view(size, sets * count, dim)
    strengths = strengths_of(points, targets, targets.offsets)
    cosines = torch.bmm(points.codes[:, 0], flat.mT)
    inside = torch.ops.aten.hardtanh_backward(strengths, cosines, clamp.low, clamp.high)
    by_codes = torch.bmm(inside.mT, points.codes[:, 0]).view(points.codes.shape)
    # what a clamped cosine adds is itself times its strength, which are by_codes times codes; beyond it is constant
    summed = torch.linalg.vecdot(by_codes, points.codes).sum((0, 2), dtype=torch.float64)
    for bound, beyond in ((clamp.low, torch.le), (clamp.high, torch.ge)):
        if -1 < bound < 1 and bound != 0:
            summed += bound * _by_set((strengths * beyond(cosines, bound)), sets)
    clamped = (
        _by_set(cosines.clamp_(clamp.low, clamp.high), sets) if targets.shift_slopes.any() else torch.zeros_like(summed)
    )
    by_codes *= -targets.slopes.float()[:, None, None]
    own = torch.bmm(inside, (points.codes * -targets.slopes.float()[:, None, None]).view(flat.shape))
    by_codes[:, 0] += own
    return PairGradients(by_codes, torch.stack([summed, clamped]))


def strengths_of(points: PointVectors, targets: PairTargets, offsets: Tensor) -> Tensor:
    """F0 + offsets (K,) of all pairs of some anchors: (b, P, K P)."""
    size, sets, count, dim = points.features.shape
    own, others = points.features[:, 0], points.features.view(size, sets * count, dim)
    added = offsets.float().expand(size, count, sets)
    if targets.pointwise:
        added = added - torch.bmm(own, points.feature_sums.mT) / count
    spread = added[..., None].expand(-1, -1, -1, count).contiguous()
    return spread.view(size, count, sets * count).baddbmm_(own, others.mT)


def _by_set(pairs: Tensor, sets: int) -> Tensor:
    """(b, P, K P) summed by set: (K,) float64."""
    return pairs.view(*pairs.shape[:2], sets, -1).sum(-1).sum((0, 1), dtype=torch.float64)


@dataclass(frozen=True, slots=True)
class StepLoss:
    """The loss of a step."""

    total: Tensor
    """() float64."""
    parts: dict[str, Tensor]
    """() float64 by kind of pair, before weighting."""
    by_cosines: Tensor | None
    """(K,) d total / d C by way of a shift that depends on C's mean, the same for all pairs; None where none does."""


def step_loss(sums: Tensor, targets: PairTargets, kinds: Sequence[str], *, pairs: int) -> StepLoss:
    """The loss from the sums (2, K) of `PairGradients`, of all parts."""
    losses = -sums[0] / pairs
    parts = {kind: torch.stack([losses[i] for i, k in enumerate(kinds) if k == kind]).mean() for kind in kinds}
    by_cosines = targets.slopes * targets.shift_slopes * sums[1] / pairs if targets.shift_slopes.any() else None
    return StepLoss((targets.slopes * pairs * losses).sum(), parts, by_cosines)


def by_points(points: PointVectors, by_codes: Tensor, by_cosines: Tensor | None) -> Tensor:
    """The gradient (b, K, P, c) by codes of any length, from that of `PairGradients`, which it changes."""
    if by_cosines is not None:
        by_sums = by_cosines.float()[:, None] * points.code_sums
        by_codes += (by_cosines.float()[:, None] * points.code_sums[:, :1])[:, :, None]
        by_codes[:, 0] += by_sums.sum(1)[:, None]
    along = torch.linalg.vecdot(points.codes, by_codes)[..., None]
    return by_codes.addcmul_(points.codes, along, value=-1).div_(points.lengths)


def correlations(points: PointVectors, targets: PairTargets) -> tuple[Tensor, Tensor]:
    """C and F0 + base of all pairs of some anchors: each (b, P, K, P)."""
    size, sets, count, dim = points.codes.shape
    found = torch.bmm(points.codes[:, 0], points.codes.view(size, sets * count, dim).mT)
    shape = (size, count, sets, count)
    return found.view(shape), strengths_of(points, targets, targets.bases).view(shape)

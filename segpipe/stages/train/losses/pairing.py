"""STEGO's loss over the pairs of points of one step and its gradient, computed for some anchors at a time.

The same numbers as `correspondence.stego_loss` and its graph, up to rounding: there everything of a step is one graph,
here every product of matrices is written out, and the anchors come in parts whose order of summing is fixed, so that
threads can share the work and change nothing.

The loss of a set of pairs is the mean of -clamp(C) (F0 + base - shift): F0 are the correlations of features, each
anchor point's mean taken away, and base puts the mean over everything back (without spatial centering F0 = F and base
is 0). The mean correlation of two sets is the product of their mean unit vectors, so base, and a shift that is made of
mean correlations, are known before any pair is looked at (`hold`); a pair is then looked at once (`pull`).

Shapes: B anchors, of which a part has b; K sets of points that they are held against, the anchors' own first;
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
from segpipe.stages.train.losses.sampled_points import Drawn, weigh

_EPS = 1e-10  # the shortest length that a vector is divided by


@dataclass(frozen=True, slots=True)
class Places:
    """Where the points of some anchors lie in a table of tokens."""

    rows: Tensor
    """(b, K, P, 4) int32 patches around each point."""
    shares: Tensor
    """(b, K, P, 4) float32 what each of them counts."""

    def part(self, anchors: range) -> Places:
        """Those of some anchors."""
        some = slice(anchors.start, anchors.stop)
        return Places(self.rows[some], self.shares[some])


@dataclass(frozen=True, slots=True)
class Readers:
    """For each token of a table the points that read it: `Places` of a step turned round."""

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
class Layout:
    """The points of a step, and the tokens that they are read from: only those next to a point are in the table."""

    kinds: tuple[str, ...]
    """(K,) kind of pair of each set."""
    places: Places
    """Of all B anchors."""
    readers: Readers
    patches: tuple[Tensor, ...]
    """Of each crop which of its patches are in the table, int64, rising; the anchors' crops come first."""

    def to(self, device: torch.device) -> Layout:
        """The same on a device, but for `patches`, which stay where they are."""
        places = Places(self.places.rows.to(device), self.places.shares.to(device))
        readers = (self.readers.points, self.readers.shares, self.readers.starts)
        return replace(self, places=places, readers=Readers(*(held.to(device) for held in readers)))


def lay_out(drawn: Sequence[tuple[str, Drawn]], grids: Sequence[Tensor], lengths: Sequence[int]) -> Layout:
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
    return Layout(
        tuple(kind for kind, _ in drawn),
        Places(torch.from_numpy(rows).view(shape), torch.from_numpy(shares).view(shape)),
        Readers(*map(torch.from_numpy, (points, counts, readers[:tokens]))),
        torch.split(torch.from_numpy(patches[:tokens]), np.diff(starts).tolist()),
    )


@dataclass(frozen=True, slots=True)
class Points:
    """What some anchors and their sets show at their points, as unit vectors."""

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


def read_points(tokens: Tensor, codes: Tensor, places: Places) -> Points:
    """Read tokens (T, d) and codes (T, c) at the points of some anchors."""
    features = weigh(tokens, places.rows, places.shares)
    features.div_(_lengths(features))
    read = weigh(codes, places.rows, places.shares)
    lengths = _lengths(read)
    read.div_(lengths)
    return Points(features, read, lengths, features.sum(2), read.sum(2))


def _lengths(vectors: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return lengths.clamp_(min=_EPS)


@dataclass(frozen=True, slots=True)
class Held:
    """What the codes of a step are held against, and what that does to its loss."""

    pointwise: bool
    """Whether each anchor point's mean is taken from the features' correlations."""
    bases: Tensor
    """(K,) float64 mean of F, put back to F0; 0 without spatial centering."""
    offsets: Tensor
    """(K,) float64 base - shift."""
    leans: Tensor
    """(K,) float64 d shift / d mean C."""
    slopes: Tensor
    """(K,) float64 d total / d (loss summed over the set's pairs)."""


def hold(
    sums: Tensor,
    kinds: Sequence[str],
    *,
    pairs: int,
    weights: Mapping[str, float],
    shifts: Mapping[str, Shift],
    pointwise: bool,
) -> Held:
    """What a step's pairs are held against.

    Args:
        sums: (2, K) of `Points.sums`, of all parts.
        kinds: (K,) of `Places`.
        pairs: of each set, B P P.
        weights: of each kind; sets of one kind share it evenly.
        shifts: of each kind; one that is made of F and C is given their means, of which all of those here are made.
        pointwise: center the features' correlations spatially.
    """
    means = sums / pairs
    bases = means[0] if pointwise else torch.zeros_like(means[0])
    with torch.enable_grad():
        leaning = means[1].clone().requires_grad_()
        given = [shifts[kind] for kind in kinds]
        shift = torch.stack(
            [s(means[0, i], leaning[i]) if callable(s) else leaning.new_tensor(s) for i, s in enumerate(given)]
        )
        leans = torch.autograd.grad(shift.sum(), leaning)[0] if shift.requires_grad else torch.zeros_like(bases)
    slopes = bases.new_tensor([weights[kind] / kinds.count(kind) / pairs for kind in kinds])
    return Held(pointwise, bases, bases - shift.detach(), leans, slopes)


@dataclass(frozen=True, slots=True)
class Clamp:
    """Between which cosines of codes the loss has a slope."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pulled:
    """What the pairs of some anchors come to."""

    by_codes: Tensor
    """(b, K, P, c) gradient of the total by the unit codes, but for what shifts that lean on codes add."""
    sums: Tensor
    """(2, K) float64: of clamp(C) (F0 + base - shift), and of clamp(C), which is 0 where no shift leans on codes."""


def pull(points: Points, held: Held, clamp: Clamp) -> Pulled:
    """Look at every pair of points of some anchors: how their codes pull at each other, and the loss."""
    size, sets, count, dim = points.codes.shape
    flat = points.codes.view(size, sets * count, dim)
    strengths = strengths_of(points, held, held.offsets)
    cosines = torch.bmm(points.codes[:, 0], flat.mT)
    inside = torch.ops.aten.hardtanh_backward(strengths, cosines, clamp.low, clamp.high)
    by_codes = torch.bmm(inside.mT, points.codes[:, 0]).view(points.codes.shape)
    # what a clamped cosine adds is itself times its strength, which are by_codes times codes; beyond it is constant
    summed = torch.linalg.vecdot(by_codes, points.codes).sum((0, 2), dtype=torch.float64)
    for bound, beyond in ((clamp.low, torch.le), (clamp.high, torch.ge)):
        if -1 < bound < 1 and bound != 0:
            summed += bound * _by_set((strengths * beyond(cosines, bound)), sets)
    clamped = _by_set(cosines.clamp_(clamp.low, clamp.high), sets) if held.leans.any() else torch.zeros_like(summed)
    by_codes *= -held.slopes.float()[:, None, None]
    own = torch.bmm(inside, (points.codes * -held.slopes.float()[:, None, None]).view(flat.shape))
    by_codes[:, 0] += own
    return Pulled(by_codes, torch.stack([summed, clamped]))


def strengths_of(points: Points, held: Held, offsets: Tensor) -> Tensor:
    """F0 + offsets (K,) of all pairs of some anchors: (b, P, K P)."""
    size, sets, count, dim = points.features.shape
    own, others = points.features[:, 0], points.features.view(size, sets * count, dim)
    added = offsets.float().expand(size, count, sets)
    if held.pointwise:
        added = added - torch.bmm(own, points.feature_sums.mT) / count
    spread = added[..., None].expand(-1, -1, -1, count).contiguous()
    return spread.view(size, count, sets * count).baddbmm_(own, others.mT)


def _by_set(pairs: Tensor, sets: int) -> Tensor:
    """(b, P, K P) summed by set: (K,) float64."""
    return pairs.view(*pairs.shape[:2], sets, -1).sum(-1).sum((0, 1), dtype=torch.float64)


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss of a step."""

    total: Tensor
    """() float64."""
    parts: dict[str, Tensor]
    """() float64 by kind of pair, before weighting."""
    pulls: Tensor | None
    """(K,) d total / d C by way of a shift that leans on C's mean, the same for all pairs; None where none does."""


def step_loss(sums: Tensor, held: Held, kinds: Sequence[str], *, pairs: int) -> Loss:
    """The loss from the sums (2, K) of `Pulled`, of all parts."""
    losses = -sums[0] / pairs
    parts = {kind: torch.stack([losses[i] for i, k in enumerate(kinds) if k == kind]).mean() for kind in kinds}
    pulls = held.slopes * held.leans * sums[1] / pairs if held.leans.any() else None
    return Loss((held.slopes * pairs * losses).sum(), parts, pulls)


def by_points(points: Points, by_codes: Tensor, pulls: Tensor | None) -> Tensor:
    """The gradient (b, K, P, c) by codes before they were unit vectors, from that of `Pulled`, which it changes."""
    if pulls is not None:
        by_sums = pulls.float()[:, None] * points.code_sums
        by_codes += (pulls.float()[:, None] * points.code_sums[:, :1])[:, :, None]
        by_codes[:, 0] += by_sums.sum(1)[:, None]
    along = torch.linalg.vecdot(points.codes, by_codes)[..., None]
    return by_codes.addcmul_(points.codes, along, value=-1).div_(points.lengths)


def correlations(points: Points, held: Held) -> tuple[Tensor, Tensor]:
    """C and F0 + base of all pairs of some anchors: each (b, P, K, P)."""
    size, sets, count, dim = points.codes.shape
    found = torch.bmm(points.codes[:, 0], points.codes.view(size, sets * count, dim).mT)
    shape = (size, count, sets, count)
    return found.view(shape), strengths_of(points, held, held.bases).view(shape)

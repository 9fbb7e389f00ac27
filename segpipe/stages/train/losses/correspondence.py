"""STEGO's correspondence loss on gathered points (Hamilton et al., ICLR 2022, equations 1 to 4).

Shapes: B items (crops), an S x S arrangement of random points on each, d features, c codes. Everything is float32 and
on the device of its inputs; random numbers are drawn on the CPU from the generator that is passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from segpipe.stages.train.losses.sampled_points import PointSet, draw_points
from segpipe.stages.train.losses.sampled_points import bilinear as bilinear
from segpipe.stages.train.losses.sampled_points import onto_valid as onto_valid
from segpipe.stages.train.losses.sampled_points import other_indices as other_indices
from segpipe.stages.train.losses.sampled_points import sample_coords as sample_coords


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Cosines between all points of two sets: (B, S, S, d), (B, S, S, d) to (B, S, S, S, S)."""
    first, second = (functional.normalize(points, dim=-1, eps=1e-10) for points in (first, second))
    return torch.einsum("bhwd,bijd->bhwij", first, second)


def feature_correlation(first: Tensor, second: Tensor, *, pointwise: bool) -> Tensor:
    """What the codes' cosines are compared with, (B, S, S, S, S), without gradient.

    With `pointwise`, spatial centering: of each anchor point's cosines their mean is taken away, and the mean over
    everything is put back, F - mean_ij(F) + mean(F).
    """
    with torch.no_grad():
        found = correlation(first, second)
        if not pointwise:
            return found
        mean = found.mean()
        found = found - found.mean((3, 4), keepdim=True)
        return found - found.mean() + mean


Shift = float | Callable[[Tensor, Tensor], Tensor]
"""A number, or what makes one of F and C, the correlations of features and of codes (B, S, S, S, S)."""


def correspondence_loss(
    first: Tensor,
    second: Tensor,
    first_codes: Tensor,
    second_codes: Tensor,
    *,
    shift: Shift,
    pointwise: bool,
    zero_clamp: bool,
    stabilize: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of every pair of points between two crops: -clamp(C) (F - shift).

    Args:
        first: features (B, S, S, d) at the anchors' points.
        second: features at the other crops' points.
        first_codes: codes (B, S, S, c) at the same points as `first`.
        second_codes: codes at the same points as `second`.
        shift: features that correlate more than this pull codes together, others push them apart; or what makes it
            of F and C.
        pointwise: center the features' correlations spatially.
        zero_clamp: clamp C at 0 from below, so that codes are not pushed beyond orthogonal.
        stabilize: clamp C at 0.8 from above too.

    Returns:
        Loss, the codes' correlations C and the features' correlations F, each (B, S, S, S, S); gradients flow
        through the codes alone.
    """
    target = feature_correlation(first, second, pointwise=pointwise)
    found = correlation(first_codes, second_codes)
    clamped = found.clamp(0.0 if zero_clamp else -9999.0, 0.8 if stabilize else None)
    return -clamped * (target - (shift(target, found) if callable(shift) else shift)), found, target


def eagle_positive(target: Tensor, found: Tensor) -> Tensor:
    """EAGLE's shift of pairs that should be similar (Kim et al., CVPR 2024, its code): |mean F - mean C|."""
    return (target.mean() - found.mean()).abs()


def eagle_negative(target: Tensor, found: Tensor) -> Tensor:
    """EAGLE's shift of random pairs: 3.5 (mean F + mean C). Gradients flow through mean C, as in its code."""
    return 3.5 * (target.mean() + found.mean())


EAGLE: Mapping[str, Shift] = {"self": eagle_positive, "neighbor": eagle_positive, "negative": eagle_negative}
"""Shifts made anew for every set of pairs; EAGLE clamps C at 0.8 from above with them (`stabilize`)."""


@dataclass(frozen=True, slots=True)
class SampledVectors:
    """Features and codes gathered at the same points: (B, S, S, d) and (B, S, S, c)."""

    features: Tensor
    codes: Tensor


@dataclass(frozen=True, slots=True)
class LossCrops:
    """Crops with features and codes on whole grids, row by row; items with fewer patches than N end in anything."""

    features: Tensor
    """(B, N, d)"""
    codes: Tensor
    """(B, N, c)"""
    grids: Tensor
    """(B, 2) int64 on the CPU."""
    valid: Tensor
    """(B, N) bool on the CPU."""

    def gather(self, drawn: PointSet) -> SampledVectors:
        """Read features and codes at points."""
        read = partial(bilinear, grids=self.grids, coords=drawn.coords.to(self.codes.device), items=drawn.items)
        return SampledVectors(read(self.features), read(self.codes))


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the loss: its mean, and the correlations behind it without gradient."""

    loss: Tensor
    codes: Tensor
    features: Tensor


def sample_groups(
    anchors: LossCrops, neighbors: LossCrops | None, generator: torch.Generator, *, samples: int, negatives: int
) -> tuple[SampledVectors, dict[str, list[SampledVectors]]]:
    """Features and codes at the points of `draw_points`, which says what the arguments are.

    Returns:
        The anchors' points, and by kind (`self`, `neighbor`, `negative`) the points to compare them with.
    """
    groups: dict[str, list[SampledVectors]] = {}
    for kind, drawn in draw_points(anchors, neighbors, generator, samples=samples, negatives=negatives):
        side = neighbors if drawn.near and neighbors is not None else anchors
        groups.setdefault(kind, []).append(side.gather(drawn))
    return groups["self"][0], groups


def stego_loss(
    anchor: SampledVectors,
    groups: Mapping[str, Sequence[SampledVectors]],
    *,
    weights: Mapping[str, float],
    shifts: Mapping[str, Shift],
    pointwise: bool,
    zero_clamp: bool,
    stabilize: bool,
) -> tuple[Tensor, dict[str, Term]]:
    """Total loss: the sum over kinds of pairs of weight x mean loss.

    Args:
        anchor: points of the anchors.
        groups: for each kind (`self`, `neighbor`, `negative`) the sets of points to compare the anchors' with; the
            published loss has the anchors themselves, one neighbor, and five permutations.
        weights: of each kind.
        shifts: of each kind.
        pointwise: see `correspondence_loss`.
        zero_clamp: same.
        stabilize: same.

    Returns:
        The total and the terms by kind.
    """
    terms: dict[str, Term] = {}
    for name, others in groups.items():
        parts = [
            correspondence_loss(
                anchor.features,
                other.features,
                anchor.codes,
                other.codes,
                shift=shifts[name],
                pointwise=pointwise,
                zero_clamp=zero_clamp,
                stabilize=stabilize,
            )
            for other in others
        ]
        losses, found, target = zip(*parts, strict=True)
        loss = torch.stack([part.mean() for part in losses]).mean()
        terms[name] = Term(loss, torch.cat([part.detach() for part in found]), torch.cat(target))
    total = torch.stack([weights[name] * term.loss for name, term in terms.items()]).sum()
    return total, terms

"""STEGO's correspondence loss on gathered points (Hamilton et al., ICLR 2022, equations 1 to 4).

Shapes: B items (crops), an S x S arrangement of random points on each, d features, c codes. Everything is float32 and
on the device of its inputs; random numbers are drawn on the CPU from the generator that is passed.
"""

from __future__ import annotations

from collections.abc import Callable
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


def eagle_shifts(bias: float) -> dict[str, Shift]:
    """EAGLE's shifts by kind of pair, made anew for every set of pairs (Kim et al., CVPR 2024, its code).

    Of pairs that should be similar |mean F - mean C - bias|, of random ones 3.5 (mean F + mean C - bias). Gradients
    flow through mean C, as in its code. EAGLE clamps C at 0.8 from above with them (`stabilize`).

    Args:
        bias: published 0 for COCO-Stuff, 0.11 for Cityscapes.
    """

    def positive(target: Tensor, found: Tensor) -> Tensor:
        return (target.mean() - found.mean() - bias).abs()

    def negative(target: Tensor, found: Tensor) -> Tensor:
        return 3.5 * (target.mean() + found.mean() - bias)

    return {"self": positive, "neighbor": positive, "negative": negative}


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

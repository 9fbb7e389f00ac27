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


def sample_coords(generator: torch.Generator, batch: int, samples: int) -> Tensor:
    """Random points, uniform over each item: (batch, samples, samples, 2) in [-1, 1], last axis (x, y).

    -1 and 1 are the centres of the first and last patch.
    """
    return torch.rand((batch, samples, samples, 2), generator=generator) * 2 - 1


def onto_valid(coords: Tensor, valid: Tensor, grids: Tensor, generator: torch.Generator) -> Tensor:
    """Move points that lie on patches without image to random patches with image; the others stay as they are.

    The published sampling is unchanged where every patch is valid. Items without any valid patch keep their points.

    Args:
        coords: (B, S, S, 2) of `sample_coords`.
        valid: (B, N) bool; item i fills the first rows * cols, row by row.
        grids: (B, 2) rows and columns of each item's own grid.
        generator: on the CPU.
    """
    last = (grids.flip(-1) - 1)[:, None, None, :]  # (B, 1, 1, 2) index of the last column, last row
    x, y = ((coords + 1) / 2 * last).round().long().unbind(-1)
    cells = y * grids[:, 1, None, None] + x
    lost = ~valid.gather(1, cells.flatten(1)).view(cells.shape) & valid.any(1)[:, None, None]
    if not lost.any():
        return coords
    moved = coords.clone()
    for item in lost.flatten(1).any(1).nonzero().flatten().tolist():
        patches = valid[item].nonzero().flatten()
        picked = patches[torch.randint(len(patches), (int(lost[item].sum()),), generator=generator)]
        cols = grids[item, 1]
        place = torch.stack([picked % cols, picked // cols], dim=-1).float()
        moved[item][lost[item]] = place / (grids[item].flip(-1) - 1).clamp(min=1) * 2 - 1
    return moved


def bilinear(tokens: Tensor, grids: Tensor, coords: Tensor, items: Tensor | None = None) -> Tensor:
    """Read tokens at points of each item's own grid, bilinearly.

    The same as torch's `grid_sample(mode="bilinear", padding_mode="border", align_corners=True)` on the rows x cols
    tokens of each item, with channels last.

    Args:
        tokens: (B, N, d); item i fills the first rows * cols, row by row.
        grids: (B, 2) rows and columns.
        coords: (B, S, S, 2) of (x, y) in [-1, 1].
        items: (B,) item that the points of each place lie on; each place's own where None.

    Returns:
        (B, S, S, d).
    """
    count, length, dim = tokens.shape
    items = (torch.arange(count) if items is None else items).to(tokens.device)
    grids = grids.to(tokens.device)[items]
    last = (grids.flip(-1) - 1)[:, None, None, :]
    place = ((coords + 1) / 2 * last).clamp(min=0).minimum(last)  # (B, S, S, 2) in patches
    low = place.floor()
    (x0, y0), (x1, y1) = low.long().unbind(-1), (low + 1).minimum(last).long().unbind(-1)
    wx, wy = (place - low).unbind(-1)
    start = items[:, None, None] * length
    above, below = (start + y * grids[:, 1, None, None] for y in (y0, y1))
    corners = torch.stack([above + x0, above + x1, below + x0, below + x1])
    shares = torch.stack([(1 - wy) * (1 - wx), (1 - wy) * wx, wy * (1 - wx), wy * wx])
    # not by indexing: an embedding adds up its gradients in a fixed order, so that a run can be resumed bit by bit
    return (functional.embedding(corners, tokens.reshape(-1, dim)) * shares[..., None]).sum(0)


def other_indices(generator: torch.Generator, n: int) -> Tensor:
    """For each of n items another one: a random permutation whose fixed points are moved on by one, (n,).

    As published ("super_perm"): not always a permutation, and with n = 1 the item itself.
    """
    order = torch.randperm(n, generator=generator)
    own = torch.arange(n)
    return torch.where(order == own, (order + 1) % n, order)


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Cosines between all points of two sets: (B, S, S, d), (B, S, S, d) to (B, S, S, S, S)."""
    first, second = (functional.normalize(points, dim=-1, eps=1e-10) for points in (first, second))
    return torch.einsum("bhwd,bijd->bhwij", first, second)


def feature_correlation(first: Tensor, second: Tensor, *, pointwise: bool) -> Tensor:
    """What the codes' cosines are held against, (B, S, S, S, S), without gradient.

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
    held = feature_correlation(first, second, pointwise=pointwise)
    found = correlation(first_codes, second_codes)
    clamped = found.clamp(0.0 if zero_clamp else -9999.0, 0.8 if stabilize else None)
    return -clamped * (held - (shift(held, found) if callable(shift) else shift)), found, held


def eagle_positive(held: Tensor, found: Tensor) -> Tensor:
    """EAGLE's shift of pairs that should be alike (Kim et al., CVPR 2024, its code): |mean F - mean C|."""
    return (held.mean() - found.mean()).abs()


def eagle_negative(held: Tensor, found: Tensor) -> Tensor:
    """EAGLE's shift of random pairs: 3.5 (mean F + mean C). Gradients flow through mean C, as in its code."""
    return 3.5 * (held.mean() + found.mean())


EAGLE: Mapping[str, Shift] = {"self": eagle_positive, "neighbor": eagle_positive, "negative": eagle_negative}
"""Shifts made anew for every set of pairs; EAGLE clamps C at 0.8 from above with them (`stabilize`)."""


@dataclass(frozen=True, slots=True)
class Points:
    """Features and codes gathered at the same points: (B, S, S, d) and (B, S, S, c)."""

    features: Tensor
    codes: Tensor


@dataclass(frozen=True, slots=True)
class Side:
    """Crops with features and codes on whole grids, row by row; items with fewer patches than N end in anything."""

    features: Tensor
    """(B, N, d)"""
    codes: Tensor
    """(B, N, c)"""
    grids: Tensor
    """(B, 2) int64 on the CPU."""
    valid: Tensor
    """(B, N) bool on the CPU."""

    def gather(self, coords: Tensor, generator: torch.Generator, *, items: Tensor | None = None) -> Points:
        """Read features and codes at points (B, S, S, 2), moved off patches without image.

        `items` (B,) are the crops to read, with repeats; each in its turn where None.
        """
        items = torch.arange(len(self.grids)) if items is None else items
        coords = onto_valid(coords, self.valid[items], self.grids[items], generator).to(self.codes.device)
        read = partial(bilinear, grids=self.grids, coords=coords, items=items)
        return Points(read(self.features), read(self.codes))


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the loss: its mean, and the correlations behind it without gradient."""

    loss: Tensor
    codes: Tensor
    features: Tensor


def sample_groups(
    anchors: Side, neighbors: Side | None, generator: torch.Generator, *, samples: int, negatives: int
) -> tuple[Points, dict[str, list[Points]]]:
    """Draw the points of one step, as published: the anchors at one set of random points, all others at a second.

    Args:
        anchors: B crops.
        neighbors: a neighbor of each; None where a corpus has no pairs, and then there is no such kind.
        generator: on the CPU.
        samples: S, points per side of the S x S arrangement.
        negatives: permutations of the anchors; none where B = 1.

    Returns:
        The anchors' points, and by kind (`self`, `neighbor`, `negative`) the points to hold them against.
    """
    size = len(anchors.grids)
    here, there = (sample_coords(generator, size, samples) for _ in range(2))
    anchor = anchors.gather(here, generator)
    groups = {"self": [anchor]}
    if neighbors is not None:
        groups["neighbor"] = [neighbors.gather(there, generator)]
    if size > 1:
        others = [other_indices(generator, size) for _ in range(negatives)]
        groups["negative"] = [anchors.gather(there, generator, items=items) for items in others]
    return anchor, groups


def stego_loss(
    anchor: Points,
    groups: Mapping[str, Sequence[Points]],
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
        groups: for each kind (`self`, `neighbor`, `negative`) the sets of points to hold the anchors' against; the
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
        losses, found, held = zip(*parts, strict=True)
        loss = torch.stack([part.mean() for part in losses]).mean()
        terms[name] = Term(loss, torch.cat([part.detach() for part in found]), torch.cat(held))
    total = torch.stack([weights[name] * term.loss for name, term in terms.items()]).sum()
    return total, terms

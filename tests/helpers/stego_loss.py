"""STEGO's loss as one plain graph, which the loss in parts (`losses.pairing`) must equal.

Shapes: B items (crops), an S x S arrangement of random points on each, d features, c codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from segpipe.stages.train.losses.correspondence import SampledVectors, Shift, correlation, feature_correlation


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the loss: its mean, and the correlations behind it without gradient."""

    loss: Tensor
    codes: Tensor
    features: Tensor


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

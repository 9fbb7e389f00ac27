"""The loss of DoRA: what the student says of one object or of a small crop, against the teacher's word on the frame.

Venkataramanan et al. 2024, "Is ImageNet worth 1 video?" (DoRA), arXiv 2310.08584, and the authors' code, which
differs: its sum over frames is not set back between objects, so that earlier objects weigh more, and it passes over
the first of the small crops.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from segpipe.ops.tracking.sinkhorn import Rule


@dataclass(frozen=True, slots=True)
class TubeLoss:
    """The loss and its two parts."""

    total: Tensor
    """Scalar."""
    masked: Tensor
    """Scalar: the mean cross-entropy of masked frames, nats."""
    local: Tensor
    """Scalar: the mean cross-entropy of small crops, nats."""


def object_weights(objects: int, frames: int, rule: Rule) -> list[float]:
    """What each object's mean over frames counts; `paper`: all the same, and together 1.

    >>> object_weights(2, 4, "paper"), object_weights(2, 4, "coded")
    ([0.5, 0.5], [0.625, 0.5])
    """
    if rule == "paper":
        return [1 / objects] * objects
    return [sum(frames**-later for later in range(objects - place)) / objects for place in range(objects)]


def first_local(rule: Rule) -> int:
    """The first small crop that counts."""
    return 1 if rule == "coded" else 0


def tube_loss(targets: Tensor, masked: Tensor, local: Tensor, rule: Rule) -> TubeLoss:
    """The loss of a batch of clips.

    Args:
        targets: (T, B, K), what the teacher says of each frame: probabilities, without gradient.
        masked: (k, T, B, K) log-probabilities of the student for each object kept in each frame.
        local: (crops, T, B, K) log-probabilities of the student for small crops that count, see `first_local`.
        rule: `coded` or `paper`.
    """
    by_object = -(targets * masked).sum(dim=-1).mean(dim=(1, 2))
    small = -(targets * local).sum(dim=-1).mean()
    weights = by_object.new_tensor(object_weights(len(by_object), targets.shape[0], rule))
    total = (weights * 0.5 * (by_object + small)).sum()
    return TubeLoss(total, by_object.detach().mean(), small.detach())

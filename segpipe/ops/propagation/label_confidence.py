"""How sure carried labels are, from 0 to 1, without anything that is true being known."""

from __future__ import annotations

import torch
from torch import Tensor


def patch_confidence(labels: Tensor, likeness: Tensor) -> Tensor:
    """The lead of the first class over the second.

    Args:
        labels: (rows, cols, channels) shares.
        likeness: (rows, cols) of `carry_labels`.

    Returns:
        (rows, cols) float32, 0 to 1.
    """
    if labels.shape[-1] == 1:
        return likeness.clamp(0, 1)
    first, second = labels.topk(2, dim=-1).values.unbind(-1)
    return (first - second).clamp(0, 1) * torch.ones_like(likeness)

"""What happens to weights and gradients in a step: groups of decay, clipping, moving average of the teacher.

As in github.com/facebookresearch/dino.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Trained parameters for an optimizer: first those that decay, then biases and all of one dimension, which do not.

    The second group has `weight_decay` 0 for good; the first's is set at every step.
    """
    decaying: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (plain if name.endswith(".bias") or parameter.ndim == 1 else decaying).append(parameter)
    return [{"params": decaying}, {"params": plain, "weight_decay": 0.0}]


@torch.no_grad()
def clip_each(model: nn.Module, most: float) -> float:
    """Scale down each parameter's gradient whose length is above `most`, on its own and not together with others.

    Args:
        model: with gradients.
        most: a length; 0 clips nothing.

    Returns:
        The length of the whole gradient before.
    """
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    if not gradients:
        return 0.0
    lengths = torch.stack(torch._foreach_norm(gradients))
    if most:
        scales = (most / (lengths + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(gradients, list(scales.unbind()))
    return float(lengths.norm())


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, *, momentum: float) -> None:
    """Move the teacher's parameters a little toward the student's: m * teacher + (1 - m) * student."""
    own = [parameter.data for parameter in teacher.parameters()]
    ahead = [parameter.data for parameter in student.parameters()]
    torch._foreach_mul_(own, momentum)
    torch._foreach_add_(own, ahead, alpha=1 - momentum)

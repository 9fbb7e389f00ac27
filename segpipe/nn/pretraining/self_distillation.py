"""Self-distillation loss with a centered and sharpened teacher (DINO, Caron et al. 2021, arXiv 2104.14294)."""

from __future__ import annotations

import torch
from torch import Tensor


def distill(student: Tensor, targets: Tensor, *, student_temperature: float) -> Tensor:
    """Cross-entropy between the teacher's and the student's softmax, a mean over all pairs of different views.

    Args:
        student: (V, B, K) float32 scores of all views.
        targets: (T, B, K) `teacher_probabilities` of the first T <= V of these views.
        student_temperature: the student's scores are divided by it.

    Returns:
        A scalar that can be differentiated with respect to `student` alone.
    """
    logs = torch.log_softmax(student / student_temperature, dim=-1)
    together = logs.sum(dim=0)
    pairs = len(targets) * (len(student) - 1)
    each = [-(target * (together - logs[view])).sum(dim=-1).mean() for view, target in enumerate(targets)]
    return torch.stack(each).sum() / pairs


def teacher_probabilities(scores: Tensor, center: Tensor, *, temperature: float) -> Tensor:
    """Softmax of the teacher's scores (..., K) without their center (K,); without gradient."""
    with torch.no_grad():
        return torch.softmax((scores - center) / temperature, dim=-1)


def entropies(probabilities: Tensor) -> tuple[float, float]:
    """Of probabilities (N, K): the mean of their entropies, and the entropy of their mean; nats.

    The first near log(K): every output is uniform. The second near 0: all outputs are the same one. Both are collapse.
    """
    with torch.no_grad():
        return float(_entropy(probabilities).mean()), float(_entropy(probabilities.mean(dim=0)))


def _entropy(probabilities: Tensor) -> Tensor:
    found: Tensor = torch.special.entr(probabilities).sum(dim=-1)
    return found


def move_center(center: Tensor, mean: Tensor, *, momentum: float) -> Tensor:
    """The center (K,) after a step whose teacher scores have the mean (K,): an exponential moving average."""
    return center * momentum + mean * (1 - momentum)

"""Objects followed through clips, for many clips at once on the device that trains: the masks of DoRA.

Venkataramanan et al. 2024, "Is ImageNet worth 1 video?" (DoRA), arXiv 2310.08584, and the authors' code. The formulas
are those of `ops.tracking` (P = A Q, M = Sinkhorn(Z P^T), P' = M^T Z, T = softmax(P' K^T / sqrt d)), there for one
frame in double precision, here for batches in single precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from segpipe.ops.tracking.sinkhorn import EPSILON, ROUNDS, Rule


@dataclass(frozen=True, slots=True)
class Tracking:
    """How the patches of a clip are shared out among objects."""

    rule: Rule = "coded"
    """`coded`: as in the authors' code; `paper`: as in the paper's formulas. See `prototypes` and `masks`."""
    epsilon: float = EPSILON
    """Weight of the entropy, above 0."""
    rounds: int = ROUNDS
    """How often objects and patches are normalized in turns."""


def assign(scores: Tensor, how: Tracking) -> Tensor:
    """`ops.tracking.sinkhorn.assign` of many clips at once.

    Args:
        scores: (..., n, k) float32, of each patch for each object.
        how: the rule, epsilon and rounds.

    Returns:
        (..., n, k): how much of every patch belongs to every object; `coded` adds up to 1 over a patch's objects,
        `paper` to 1 over all.
    """
    plan = scores / how.epsilon
    patches, objects = plan.shape[-2:]
    for _ in range(how.rounds):
        plan = plan - plan.logsumexp(dim=-2, keepdim=True) - math.log(objects)
        plan = plan - plan.logsumexp(dim=-1, keepdim=True) - math.log(patches)
    return plan.exp() * (patches if how.rule == "coded" else 1)


def prototypes(attention: Tensor, queries: Tensor, tokens: Tensor, how: Tracking) -> Tensor:
    """What the objects of each clip look like, from its first frame.

    Args:
        attention: (B, k, n) of CLS to every patch, of the heads that stand for objects.
        queries: (B, n, d), heads side by side.
        tokens: (B, n, d), the network's output; `coded` scales them to length 1, `paper` takes them as they are.
        how: the rule, epsilon and rounds.

    Returns:
        (B, k, d): P' = M^T Z.
    """
    pooled = attention @ queries
    z = tokens / torch.linalg.vector_norm(tokens, dim=-1, keepdim=True) if how.rule == "coded" else tokens
    return assign(z @ pooled.transpose(-2, -1), how).transpose(-2, -1) @ z


def masks(objects: Tensor, keys: Tensor, how: Tracking) -> Tensor:
    """Where the objects are in every frame.

    A patch is an object's where its map exceeds a mean. With `paper` that is the map's own mean. In the code all maps
    of a batch are scaled to length 1, and the mean is taken over all clips of the batch, so that a map that is spread
    out gets a larger mask.

    Args:
        objects: (B, k, d) of `prototypes`.
        keys: (B, T, n, d) of every frame, heads side by side.
        how: the rule.

    Returns:
        (B, k, T, n) bool.
    """
    scores = torch.einsum("bkd,btnd->bktn", objects, keys) * objects.shape[-1] ** -0.5
    maps = scores.softmax(dim=-1)
    if how.rule == "paper":
        return torch.gt(maps, maps.mean(dim=-1, keepdim=True))
    scaled = maps / torch.linalg.vector_norm(maps, dim=-1, keepdim=True)
    return torch.gt(scaled, scaled.mean(dim=(0, 3), keepdim=True))


def keep_objects(frames: Tensor, kept: Tensor) -> Tensor:
    """Every frame as often as there are objects, with one object kept and 0, the mean color, around it.

    Args:
        frames: (B, T, 3, H, W), normalized.
        kept: (B, k, T, rows, cols) bool, of `masks`; H and W are multiples of rows and cols.

    Returns:
        (k, T, B, 3, H, W).
    """
    (height, width), (rows, cols) = frames.shape[-2:], kept.shape[-2:]
    grid = kept.permute(1, 2, 0, 3, 4)
    pixels = grid.repeat_interleave(height // rows, dim=-2).repeat_interleave(width // cols, dim=-1)
    shown: Tensor = frames.transpose(0, 1)[None] * pixels[:, :, :, None]
    return shown

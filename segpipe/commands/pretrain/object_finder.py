"""The teacher looks at clips: what it says of every frame, and where it sees the objects of each clip's first frame."""

from __future__ import annotations

import torch
from torch import Tensor

from segpipe.commands.pretrain.method import Network
from segpipe.nn.block_parts import parts_and_cls
from segpipe.ops.pretraining.object_tubes import Tracking, masks, prototypes

BLOCKS = {"coded": -1, "paper": -2}
"""Whose attention, queries, keys and tokens: the paper's figure names the block before the last."""


@torch.no_grad()
def look(teacher: Network, frames: Tensor, heads: Tensor, how: Tracking) -> tuple[Tensor, Tensor]:
    """One forward pass of all frames, and the tracker in single precision.

    Args:
        teacher: with a CLS token.
        frames: (B, T, 3, S, S), normalized.
        heads: (B, k) int64, those that stand for objects.
        how: the tracker's formulas.

    Returns:
        Scores (B * T, outputs) float32 of each frame, and which patches (B, k, T, n) belong to each object.
    """
    clips, length = frames.shape[:2]
    parts, cls = parts_and_cls(teacher.backbone, frames.flatten(0, 1), block=BLOCKS[how.rule])
    scores: Tensor = teacher.head(cls).float()
    with torch.autocast(frames.device.type, enabled=False):
        attention = parts.attention.float().flatten(2).reshape(clips, length, parts.attention.shape[1], -1)[:, 0]
        queries, keys, tokens = (
            each.float().reshape(clips, length, -1, each.shape[-1])
            for each in (parts.queries, parts.keys, parts.tokens)
        )
        chosen = attention.take_along_dim(heads[:, :, None], dim=1)
        objects = prototypes(chosen, queries[:, 0], tokens[:, 0], how)
        return scores, masks(objects, keys, how)

"""The teacher looks at clips: what it says of every frame, and where it sees the objects of each clip's first frame."""

from __future__ import annotations

import torch
from torch import Tensor

from segpipe.commands.pretrain.method import HeadedNetwork
from segpipe.nn.block_parts import parts_and_cls
from segpipe.ops.pretraining.object_tubes import Tracking, masks, prototypes

BLOCKS = {"coded": -1, "paper": -2}
"""Whose attention, queries, keys and tokens: the paper's figure names the block before the last."""


MOST_HEADS = 64
"""Attention heads that a draw is made for."""


def choose_heads(draws: Tensor, heads: int, objects: int) -> Tensor:
    """Heads that stand for objects, drawn without any twice, in rising order.

    Drawn with the views of a clip, before the network is known, so that micro-batches and processes change nothing.

    Args:
        draws: (B, `MOST_HEADS`), even between 0 and 1.
        heads: of the network.
        objects: wanted; all heads where there are no more.

    Returns:
        (B, objects) int64.
    """
    return draws[:, :heads].argsort(dim=1)[:, :objects].sort(dim=1).values


@torch.no_grad()
def look(teacher: HeadedNetwork, frames: Tensor, draws: Tensor, objects: int, how: Tracking) -> tuple[Tensor, Tensor]:
    """One forward pass of all frames, and the tracker in single precision.

    Args:
        teacher: with a CLS token.
        frames: (B, T, 3, S, S), normalized.
        draws: (B, `MOST_HEADS`), for the choice of heads.
        objects: wanted in each clip.
        how: the tracker's formulas.

    Returns:
        Scores (B * T, outputs) float32 of each frame, and which patches (B, objects, T, rows, cols) each object has.

    Raises:
        UsageError: a network without CLS token or attention heads.
    """
    clips, length = frames.shape[:2]
    parts, cls = parts_and_cls(teacher.backbone, frames.flatten(0, 1), block=BLOCKS[how.rule])
    scores: Tensor = teacher.head(cls).float()
    heads, *grid = parts.attention.shape[1:]
    with torch.autocast(frames.device.type, enabled=False):
        attention = parts.attention.float().reshape(clips, length, heads, -1)[:, 0]
        queries, keys, tokens = (
            each.float().reshape(clips, length, -1, each.shape[-1])
            for each in (parts.queries, parts.keys, parts.tokens)
        )
        chosen = attention.take_along_dim(choose_heads(draws, heads, objects)[:, :, None], dim=1)
        found = masks(prototypes(chosen, queries[:, 0], tokens[:, 0], how), keys, how)
    return scores, found.reshape(*found.shape[:3], *grid)

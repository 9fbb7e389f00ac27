"""What the CLS token of a ViT attends to: one map per head, and attention rollout.

Only the row of the CLS token is made, so nothing here holds the attention between all pairs of tokens: an input of N
tokens needs memory for N times the width of the network, and not for N^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from segpipe.base.errors import UsageError
from segpipe.nn import vit

_BUDGET = 1 << 22
"""Rollout makes about this many attention values at a time (16 MiB of float32)."""

Step = tuple[Any, Tensor, Tensor | None]


def cls_attention(model: Any, images: Tensor, *, block: int, rollout: bool) -> tuple[Tensor, Tensor | None]:
    """The attention of the CLS token to every patch.

    Args:
        model: timm `VisionTransformer` or `Eva`, made with `dynamic_img_size=True`.
        images: (B, 3, H, W) normalised; H and W are multiples of the patch size.
        block: whose attention; 0 is the first block, -1 the last.
        rollout: whether rollout from the input to this block is wanted too.

    Returns:
        Per head (B, heads, rows, cols), and rollout (B, rows, cols) or None. Values are shares of 1; what is missing
        to 1 went to CLS itself and to the register tokens.

    Raises:
        UsageError: no such block, no CLS token, or a block without softmax attention over all tokens.
    """
    _require_cls(model)
    (last,) = vit.block_indices((block,), depth=len(model.blocks))
    steps: list[Step] = []
    for step in vit.walk(model, images, last):
        steps = [*steps, step] if rollout else [step]
    heads = _cls_to_patches(model, steps[-1], images)
    rolled = attention_rollout(steps)[:, model.num_prefix_tokens :].reshape(-1, *heads.shape[2:]) if rollout else None
    return heads, rolled


def cls_attention_and_tokens(model: Any, images: Tensor, *, block: int) -> tuple[Tensor, Tensor, Tensor]:
    """What the CLS token attends to in a block, and what the block makes of every token, in one forward pass.

    Args:
        model: as in `cls_attention`.
        images: (B, 3, H, W) normalised; H and W are multiples of the patch size.
        block: 0 is the first block, -1 the last.

    Returns:
        Attention of CLS to every patch (B, rows, cols), the mean over the heads, in shares of 1; the block's output
        tokens after the network's final norm: those of the patches (B, rows, cols, width) and that of CLS (B, width).

    Raises:
        UsageError: as `cls_attention`.
    """
    _require_cls(model)
    (last,) = vit.block_indices((block,), depth=len(model.blocks))
    for layer, x, rope in vit.walk(model, images, last):
        step: Step = (layer, x, rope)
    attention = _cls_to_patches(model, step, images).mean(dim=1)
    tokens = model.norm(vit.advance(*step))
    return attention, tokens[:, model.num_prefix_tokens :].reshape(*attention.shape, tokens.shape[-1]), tokens[:, 0]


def _cls_to_patches(model: Any, step: Step, images: Tensor) -> Tensor:
    """Attention (B, heads, rows, cols) of CLS to every patch in a block."""
    query, key = vit.compared(*step)
    heads = (query[:, :, :1] @ key.transpose(-2, -1)).softmax(dim=-1)[:, :, 0]
    rows, cols = model.patch_embed.dynamic_feat_size(images.shape[-2:])
    return heads[..., model.num_prefix_tokens :].reshape(*heads.shape[:2], rows, cols)


def _require_cls(model: Any) -> None:
    if getattr(model, "cls_token", None) is None:
        raise UsageError("this network has no CLS token whose attention could be shown; choose another --backbone")


def attention_rollout(steps: Sequence[Step], *, budget: int = _BUDGET) -> Tensor:
    """How much of every input token reaches CLS through some blocks: attention rollout.

    Abnar and Zuidema 2020, arXiv 2005.00928, section 3: the product of (A + I) / 2 over the blocks, A averaged over
    the heads. Of the product only CLS's row is wanted, so that row is carried through the blocks from the last to the
    first: the same numbers as the product of matrices, for N^2 instead of N^3 operations a block.

    Args:
        steps: the blocks with their input tokens, as `vit.walk` gives them.
        budget: attention values held at a time.

    Returns:
        (B, N), rows sum to 1.
    """
    x = steps[-1][1]
    share = torch.zeros(x.shape[:2], dtype=x.dtype, device=x.device)
    share[:, 0] = 1
    for step in reversed(steps):
        query, key = vit.compared(*step)
        count, heads, tokens, _ = query.shape
        received = torch.zeros_like(share)
        size = max(1, budget // (count * heads * tokens))
        for start in range(0, tokens, size):
            some = slice(start, start + size)
            maps = (query[:, :, some] @ key.transpose(-2, -1)).softmax(dim=-1)
            received += torch.einsum("bq,bhqn->bn", share[:, some], maps) / heads
        share = (received + share) / 2
    return share

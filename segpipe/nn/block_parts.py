"""What one block of a ViT compares and makes, in one forward pass: attention of CLS, queries, keys, output tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from segpipe.base.errors import UsageError
from segpipe.nn import vit


@dataclass(frozen=True, slots=True)
class BlockParts:
    """Of the patches of some images; CLS and registers are left out."""

    attention: Tensor
    """(B, heads, rows, cols): what CLS attends to, in shares of 1; what is missing to 1 went to CLS and registers."""
    queries: Tensor
    """(B, rows, cols, d), heads side by side: after the query norm where there is one, before scale and rotation."""
    keys: Tensor
    """(B, rows, cols, d), of every query head; those that several query heads share are repeated."""
    tokens: Tensor
    """(B, rows, cols, width): the block's output after the network's final norm."""


def block_parts(model: Any, images: Tensor, *, block: int) -> BlockParts:
    """What a block compares and makes of every patch; the forward pass ends with this block.

    Only the row of CLS is made of the attention: an input of N tokens needs memory for N times the width, not N^2.

    Args:
        model: timm `VisionTransformer` or `Eva`, made with `dynamic_img_size=True`.
        images: (B, 3, H, W) normalised; H and W are multiples of the patch size.
        block: 0 is the first, -1 the last.

    Raises:
        UsageError: no such block, no CLS token, or a block without softmax attention over all tokens.
    """
    *_, (layer, x, rope) = vit.walk(model, images, _checked(model, block))
    return _parts(model, images, layer, x, rope)[0]


def parts_and_cls(model: Any, images: Tensor, *, block: int) -> tuple[BlockParts, Tensor]:
    """The same, and what the whole network makes of CLS (B, width), after its final norm: one forward pass for both.

    Arguments and errors are those of `block_parts`.
    """
    at = _checked(model, block)
    found: BlockParts | None = None
    x = images
    for index, (layer, given, rope) in enumerate(vit.walk(model, images, len(model.blocks) - 1)):
        if index == at:
            found, x = _parts(model, images, layer, given, rope)
        elif index == len(model.blocks) - 1:
            x = vit.advance(layer, given, rope)
    assert found is not None
    return found, model.norm(x)[:, 0]


def _checked(model: Any, block: int) -> int:
    if getattr(model, "cls_token", None) is None:
        raise UsageError("this network has no CLS token whose heads could show objects; choose another --backbone")
    return vit.block_indices((block,), depth=len(model.blocks))[0]


def _parts(model: Any, images: Tensor, layer: Any, x: Tensor, rope: Tensor | None) -> tuple[BlockParts, Tensor]:
    """Of a block and its input tokens (B, N, width): its parts, and its output tokens before any norm."""
    query, key, _ = vit.projections(layer, x)
    compared, against = vit.compared(layer, x, rope)
    prefix = model.num_prefix_tokens
    attention = (compared[:, :, :1] @ against.transpose(-2, -1)).softmax(dim=-1)[:, :, 0, prefix:]
    if key.shape[1] != query.shape[1]:
        key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    output = vit.advance(layer, x, rope)
    queries, keys = (part.transpose(1, 2).flatten(2)[:, prefix:] for part in (query, key))
    grid = (images.shape[0], *model.patch_embed.dynamic_feat_size(images.shape[-2:]))
    parts = BlockParts(
        attention.reshape(*attention.shape[:2], *grid[1:]),
        queries.reshape(*grid, -1),
        keys.reshape(*grid, -1),
        model.norm(output)[:, prefix:].reshape(*grid, -1),
    )
    return parts, output

"""ViT features: tokens, queries, keys, values and attention maps of any block of a timm ViT.

Works on timm's `VisionTransformer` (learned positions: DINO, DINOv2) and `Eva` (rotary positions: DINOv3). Learned
positions are interpolated to the input's grid by the rule that the network was loaded with, DINO's own or timm's (see
`nn.positions`). The two agree on the training grid alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from timm.layers import apply_rot_embed_cat
from timm.models.eva import EvaBlock
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from segpipe.base.errors import UsageError, named
from segpipe.nn import positions

Facet = Literal["token", "key", "query", "value"]


def extract_facets(
    model: Any, images: Tensor, *, facet: Facet, blocks: tuple[int, ...], norm: bool
) -> tuple[Tensor, Tensor | None]:
    """Features of every patch from one or several blocks; the forward pass ends with the last block needed.

    Keys and queries are the projections that the block's attention compares, after the query and key norms where a
    network has them and BEFORE rotary positions turn them, heads side by side. `token` is the block's output.

    Args:
        model: timm `VisionTransformer` or `Eva`, made with `dynamic_img_size=True`.
        images: (B, 3, H, W) normalised; H and W are multiples of the patch size.
        facet: which vectors.
        blocks: 0 is the first block, -1 the last; several are concatenated in the order given.
        norm: whether tokens pass the network's final norm (every block's tokens do); other facets never do.

    Returns:
        Patches (B, rows, cols, d * len(blocks)), and the CLS token's vector of the same facet
        (B, d * len(blocks)), None for a network without CLS.

    Raises:
        UsageError: a block that does not exist, or a facet that this network's blocks do not have.
    """
    wanted = block_indices(blocks, depth=len(model.blocks))
    last = max(wanted)
    found: dict[int, Tensor] = {}
    x, ropes = _embed(model, images)
    for index, block in enumerate(model.blocks[: last + 1]):
        rope = _rope_of(model, ropes, index)
        if facet != "token" and index in wanted:
            query, key, value = projections(block, x)
            part = {"query": query, "key": key, "value": value}[facet]
            found[index] = part.transpose(1, 2).flatten(2)  # (B, N, heads * head_dim)
            if index == last:
                break
        x = advance(block, x, rope)
        if facet == "token" and index in wanted:
            found[index] = model.norm(x) if norm else x
    tokens = torch.cat([found[index] for index in wanted], dim=-1)
    rows, cols = model.patch_embed.dynamic_feat_size(images.shape[-2:])
    patches = tokens[:, model.num_prefix_tokens :].reshape(images.shape[0], rows, cols, -1)
    return patches, tokens[:, 0] if getattr(model, "cls_token", None) is not None else None


def attention(model: Any, images: Tensor, block: int) -> Tensor:
    """Softmax attention maps of one block, rotary positions included.

    Args:
        model: as in `extract_facets`.
        images: (B, 3, H, W) normalised.
        block: 0 is the first, -1 the last.

    Returns:
        (B, heads, N, N): from each token (row) to each token, N = prefix tokens + rows * cols; rows sum to 1.

    Raises:
        UsageError: no such block, or a block without softmax attention over all tokens.
    """
    (last,) = block_indices((block,), depth=len(model.blocks))
    *_, (layer, x, rope) = walk(model, images, last)
    query, key = compared(layer, x, rope)
    scores: Tensor = query @ key.transpose(-2, -1)
    return scores.softmax(dim=-1)


def walk(model: Any, images: Tensor, last: int) -> Iterator[tuple[Any, Tensor, Tensor | None]]:
    """The blocks 0 to `last`, one after the other; block `last` itself is not computed.

    Args:
        model: as in `extract_facets`.
        images: (B, 3, H, W) normalised.
        last: index of a block, 0 or more.

    Yields:
        Each block with its input tokens (B, N, width) and its rotary positions (None where the network has none).
    """
    x, ropes = _embed(model, images)
    for index, block in enumerate(model.blocks[: last + 1]):
        rope = _rope_of(model, ropes, index)
        yield block, x, rope
        if index < last:
            x = advance(block, x, rope)


def compared(block: Any, x: Tensor, rope: Tensor | None) -> tuple[Tensor, Tensor]:
    """What a block's attention compares: softmax(query @ key^T) are its attention maps.

    Args:
        block: one of the model's blocks.
        x: (B, N, width), its input tokens.
        rope: its rotary positions, as `walk` gives them.

    Returns:
        Queries and keys, both (B, heads, N, head_dim): normed, turned by rotary positions, queries times the scale,
        keys that several query heads share repeated.

    Raises:
        UsageError: a block without softmax attention over all tokens.
    """
    query, key, value = projections(block, x)
    if rope is not None:
        query, key = (_rotate(block.attn, part, rope).type_as(value) for part in (query, key))
    if key.shape[1] != query.shape[1]:  # grouped queries: several query heads share a key head
        key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    return query * block.attn.scale, key


def advance(block: nn.Module, x: Tensor, rope: Tensor | None) -> Tensor:
    """A block's output tokens (B, N, width); arguments as `walk` gives them."""
    y: Tensor = block(x) if rope is None else block(x, rope=rope)
    return y


def block_indices(blocks: tuple[int, ...], *, depth: int) -> tuple[int, ...]:
    """Count negative blocks from the end.

    Raises:
        UsageError: none asked for, or one that does not exist.
    """
    wrong = [block for block in blocks if not -depth <= block < depth]
    if wrong or not blocks:
        raise UsageError(
            f"{named('extract.blocks', str(list(blocks)))} {'is empty' if not blocks else f'names block {wrong[0]}'}; "
            f"this network has {depth}: 0 to {depth - 1}, or -1 (the last) to -{depth}"
        )
    return tuple(block % depth for block in blocks)


def _embed(model: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """The first block's input tokens (B, N, width) and the rotary positions, where the network has them."""
    embedded = positions.embed(model, model.patch_embed(images))
    x, ropes = embedded if isinstance(embedded, tuple) else (embedded, None)
    return model.norm_pre(x), ropes


def _rope_of(model: Any, ropes: Tensor | None, index: int) -> Tensor | None:
    """A block's rotary positions; "mixed" ones differ from block to block."""
    return ropes[index] if ropes is not None and getattr(model, "rope_mixed", False) else ropes


def projections(block: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (B, heads, N, head_dim) that a block's attention makes of its input tokens."""
    if type(block) not in (Block, EvaBlock):
        raise UsageError(
            f"queries, keys and attention of timm's {type(block).__name__} are not known; set "
            f"{named('extract.facet', 'token')}"
        )
    attn = block.attn
    x = block.norm1(x)
    if getattr(attn, "qkv", None) is not None:
        bias = attn.qkv.bias
        if getattr(attn, "q_bias", None) is not None:  # Eva keeps them apart and fixes the keys' at 0
            bias = torch.cat((attn.q_bias, attn.k_bias, attn.v_bias))
        joint = nn.functional.linear(x, attn.qkv.weight, bias)
        parts = joint.reshape(*x.shape[:2], 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    elif hasattr(attn, "q_proj"):
        layers, size = (attn.q_proj, attn.k_proj, attn.v_proj), attn.head_dim
        parts = tuple(layer(x).reshape(*x.shape[:2], -1, size).transpose(1, 2) for layer in layers)
    else:
        raise UsageError(
            f"queries, keys and attention of timm's {type(attn).__name__} are not known; set "
            f"{named('extract.facet', 'token')}"
        )
    query, key, value = parts
    return attn.q_norm(query), attn.k_norm(key), value


def _rotate(attn: Any, part: Tensor, rope: Tensor) -> Tensor:
    prefix = attn.num_prefix_tokens  # CLS and registers have no place and are not turned
    turned = apply_rot_embed_cat(part[:, :, prefix:], rope, half=getattr(attn, "rotate_half", False))
    return torch.cat([part[:, :, :prefix], turned], dim=2)

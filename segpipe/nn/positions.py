"""Learned positions of a ViT for another grid than the one it was trained on: by DINO's own rule, or by timm's.

The authors of DINO scale by (rows + 0.1) / side instead of rows / side, so that every patch reads its position a little
off, and do not smooth when they shrink; so do those of DINOv2 for networks without registers (with registers they do
as timm does). timm scales exactly and smooths. On the grid of the training (224 pixels; DINOv2: 518) positions are
taken as they are, by either.

Facts from github.com/facebookresearch/dino (`interpolate_pos_encoding`) and github.com/facebookresearch/dinov2.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from segpipe.base.errors import UsageError, named
from segpipe.records.features import Positions

_OFFSET = 0.1  # of a patch
RULE = "segpipe_positions"
"""Attribute of a network that says its rule; without it the rule is timm's."""


def set_rule(model: nn.Module, rule: Positions, *, name: str) -> None:
    """Say by which rule a network finds its positions from now on, wherever `nn.vit` is asked for something of it.

    Args:
        model: any network.
        rule: `dino` or `timm`.
        name: of the backbone, for the message.

    Raises:
        UsageError: `dino`, and the network has no learned positions, or not those of a square.
    """
    if rule == "dino" and not _able(model):
        raise UsageError(
            f"{named('extract.positions', rule)}: {named('extract.backbone', name)} has no learned positions of a "
            f"square of patches, so DINO's rule means nothing; set {named('extract.positions', 'auto')}"
        )
    setattr(model, RULE, rule)


def _able(model: Any) -> bool:
    if not isinstance(model, VisionTransformer) or type(model)._pos_embed is not VisionTransformer._pos_embed:
        return False
    rows, cols = model.patch_embed.grid_size
    return model.pos_embed is not None and rows == cols and model.pos_embed.shape[1] - _prefix(model) == rows * cols


def _prefix(model: Any) -> int:
    return 0 if model.no_embed_class else int(model.num_prefix_tokens)


def embed(model: Any, patches: Tensor) -> Any:
    """Tokens of patches with their positions, CLS and registers before them, as timm's `_pos_embed` gives them.

    Args:
        model: timm `VisionTransformer` or `Eva`, made with `dynamic_img_size=True`.
        patches: (B, rows, cols, width) of its `patch_embed`.

    Returns:
        (B, N, width); of `Eva` with its rotary positions.
    """
    if getattr(model, RULE, "timm") == "timm":
        return model._pos_embed(patches)
    count, rows, cols, _ = patches.shape
    prefix = _prefix(model)
    places = interpolate(model.pos_embed[:, prefix:], rows, cols)
    before = [part.expand(count, -1, -1) for part in (model.cls_token, model.reg_token) if part is not None]
    x = patches.flatten(1, 2)
    if prefix:
        x, before = torch.cat([*before, x], dim=1), []
        places = torch.cat([model.pos_embed[:, :prefix], places], dim=1)
    return model.pos_drop(torch.cat([*before, x + places], dim=1))


def interpolate(positions: Tensor, rows: int, cols: int) -> Tensor:
    """Positions (1, side * side, width) of a square for a grid, (1, rows * cols, width), by DINO's rule."""
    side = isqrt(positions.shape[1])
    if (rows, cols) == (side, side):
        return positions
    square = positions.float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
    scale = ((rows + _OFFSET) / side, (cols + _OFFSET) / side)
    found = nn.functional.interpolate(square, scale_factor=scale, mode="bicubic")
    return found.permute(0, 2, 3, 1).flatten(1, 2).to(positions.dtype)

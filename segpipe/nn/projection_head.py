"""Projection head of self-distillation (DINO, Caron et al. 2021, arXiv 2104.14294), and a ViT that wears it.

Three linear layers with GELU to a bottleneck, its outputs scaled to unit length, then a linear layer whose rows are of
unit length too (weight normalization with the length held at 1). Facts from github.com/facebookresearch/dino.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from segpipe.nn import positions

_STD = 0.02


class UnitRows(nn.Module):
    """A linear layer without bias whose rows are divided by their length, times a learned or fixed length."""

    def __init__(self, width: int, outputs: int, *, fixed: bool) -> None:
        """Rows as torch draws those of a linear layer; lengths of 1.

        Args:
            width: of the input.
            outputs: rows.
            fixed: whether the lengths stay at 1.
        """
        super().__init__()
        self.directions = nn.Parameter(nn.Linear(width, outputs, bias=False).weight.detach().clone())
        self.lengths = nn.Parameter(torch.ones(outputs, 1), requires_grad=not fixed)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width) to (N, outputs)."""
        weight = self.directions * (self.lengths / self.directions.norm(dim=1, keepdim=True))
        return nn.functional.linear(x, weight)


class ProjectionHead(nn.Module):
    """(N, width) features to (N, outputs) scores of prototypes."""

    def __init__(
        self, width: int, outputs: int, *, hidden: int = 2048, bottleneck: int = 256, fixed_lengths: bool = True
    ) -> None:
        """Weights from a normal distribution of deviation 0.02, cut at 2; biases 0; the last layer as `UnitRows`.

        Args:
            width: of the features.
            outputs: number of prototypes; published with 65,536.
            hidden: width of the two hidden layers.
            bottleneck: width before the last layer.
            fixed_lengths: whether the last layer's rows keep length 1; steadier, as published for ViT-B.
        """
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=_STD, a=-2.0, b=2.0)
                nn.init.zeros_(layer.bias)
        self.last_layer = UnitRows(bottleneck, outputs, fixed=fixed_lengths)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width) to (N, outputs)."""
        return self.last_layer(nn.functional.normalize(self.mlp(x), dim=-1, p=2))  # type: ignore[no-any-return]


class Headed(nn.Module):
    """A ViT of timm with a head on its pooled features."""

    def __init__(self, backbone: Any, head: nn.Module) -> None:
        """Join both.

        Args:
            backbone: timm's `VisionTransformer` or `Eva` without classifier, made with `dynamic_img_size=True`.
            head: from its width to any outputs.
        """
        super().__init__()
        self.backbone, self.head = backbone, head

    def tokens(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to the last block's tokens after the final norm, (B, N, width), CLS and registers first.

        Positions are found by the rule that the network was given (`nn.positions`).
        """
        vit: Any = self.backbone
        if getattr(vit, positions.RULE, "timm") == "timm":
            found: Tensor = vit.forward_features(images)
        else:
            x = vit.norm_pre(vit.patch_drop(positions.embed(vit, vit.patch_embed(images))))
            found = vit.norm(vit.blocks(x))
        return found

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, width): the CLS token, or the mean of the patches where a network has none."""
        tokens = self.tokens(images)
        if getattr(self.backbone, "cls_token", None) is not None:
            return tokens[:, 0]
        prefix: Any = self.backbone.num_prefix_tokens
        return tokens[:, prefix:].mean(dim=1)

    def forward(self, views: tuple[Tensor, ...]) -> Tensor:
        """Views (B, 3, S, S) each, of several sizes, to (views * B, outputs), one view after the other.

        Neighbors of one size pass the backbone as one batch, all features the head as one.
        """
        found: list[Tensor] = []
        start = 0
        for stop in range(1, len(views) + 1):
            if stop == len(views) or views[stop].shape[-1] != views[start].shape[-1]:
                found.append(self.features(torch.cat(views[start:stop])))
                start = stop
        return self.head(torch.cat(found))  # type: ignore[no-any-return]

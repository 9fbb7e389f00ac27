"""CNN features: maps of any stages of a timm CNN, such as the DINO ResNet-50."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from segpipe.nn.vit import block_indices


def stage_stride(model: Any, stages: tuple[int, ...]) -> int:
    """Input pixels per cell of the finest of these stages."""
    chosen = block_indices(stages, depth=len(model.feature_info))
    return min(int(model.feature_info[i]["reduction"]) for i in chosen)


def extract_maps(model: Any, images: Tensor, *, stages: tuple[int, ...]) -> Tensor:
    """Feature maps of one or several stages; coarser ones are enlarged to the finest (hypercolumns).

    Hypercolumns: Hariharan et al. 2015, arXiv 1411.5752. The forward pass ends with the last stage needed.

    Args:
        model: a timm CNN with `forward_intermediates`.
        images: (B, 3, H, W) normalised; H and W are multiples of `stage_stride(model, stages)`.
        stages: 0 is the first and finest, -1 the last; concatenated in the order given.

    Returns:
        (B, rows, cols, d) with rows = H / stride of the finest stage asked for.

    Raises:
        UsageError: a stage that does not exist.
    """
    chosen = block_indices(stages, depth=len(model.feature_info))
    strides = [int(model.feature_info[i]["reduction"]) for i in chosen]
    finest, coarsest = min(strides), max(strides)
    height, width = images.shape[-2:]
    # whole cells on every stage, so that a cell of any stage covers exactly its stride of pixels
    padded = functional.pad(images, (0, -width % coarsest, 0, -height % coarsest), mode="replicate")
    order = sorted(set(chosen))
    maps = dict(
        zip(
            order,
            model.forward_intermediates(padded, indices=order, stop_early=True, intermediates_only=True),
            strict=True,
        )
    )
    rows, cols = height // finest, width // finest
    level = []
    for index, stride in zip(chosen, strides, strict=True):
        part = maps[index]
        if stride > finest:
            part = functional.interpolate(part, scale_factor=stride / finest, mode="bilinear", align_corners=False)
        level.append(part[..., :rows, :cols])
    return torch.cat(level, dim=1).permute(0, 2, 3, 1)

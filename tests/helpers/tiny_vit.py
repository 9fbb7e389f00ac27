"""Weights of a small ViT that were never trained: what it sees does not matter, only that it is the network's own."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

VIT = "vit_tiny_patch16_224"


def save_tiny_vit(folder: Path) -> Path:
    """A file of weights of `VIT`; heads and tokens differ from patch to patch more than those timm begins with."""
    torch.manual_seed(0)
    model = timm.create_model(VIT, num_classes=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    path = folder / f"{VIT}.safetensors"
    save_file(model.state_dict(), path)
    return path

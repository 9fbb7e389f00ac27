"""A small ViT with a head of self-distillation, never trained, and options of a small training by DoRA."""

from __future__ import annotations

import timm
import torch

from segpipe.commands.pretrain.dora_options import DoraOptions
from segpipe.commands.pretrain.options import AugmentOptions, DinoOptions
from segpipe.nn.projection_head import Headed, ProjectionHead

WIDTH, HEADS, PATCH, OUTPUTS = 48, 4, 16, 32
NORM = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class SmallOptions(DoraOptions, AugmentOptions, DinoOptions):
    """What a method is told, sized for tests."""

    global_size: int = 64
    local_size: int = 32
    local_crops: int = 3
    clip_frames: int = 3
    clip_spacing: int = 2
    objects: int = 2


def tiny_headed(seed: int = 0) -> Headed:
    """Two blocks of width 48 with 4 heads; no two patches alike. In evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vit = timm.create_model(
            "vit_tiny_patch16_224", num_classes=0, dynamic_img_size=True, depth=2, embed_dim=WIDTH, num_heads=HEADS
        )
        made = Headed(vit, ProjectionHead(WIDTH, OUTPUTS, hidden=24, bottleneck=8))
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return made.eval()

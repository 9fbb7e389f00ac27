"""Train a head by SmooSeg's energy (Lan et al., NeurIPS 2023): prototypes are learned together with the codes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from segpipe.nn.head import Head, drop_channels
from segpipe.stages.train.losses import smooseg_energy as smooseg
from segpipe.stages.train.losses.sampled_points import other_indices
from segpipe.stages.train.objectives.objective import Objective, Patches


class Smooseg(Objective):
    """Smoothness within each crop and against one other random crop, and sharp classes around prototypes.

    Published hyper-parameters: codes of 64, steps of 32 crops. `shift_self` was chosen per corpus and backbone: -0.02
    for DINO ViT-S/8, 0.1 for ViT-B/8, 0.32 for DINOv2 ViT-B. Neighbors are not used.
    """

    LR, DIM = 1e-4, 64

    average: Tensor

    def __init__(
        self,
        head: Head,
        *,
        steps: int,
        seed: int,
        prototypes: int,
        shift_self: float = -0.02,
        shift_other: float = 0.5,
        temperature: float = 0.1,
        keep: float = 0.998,
        pointwise: bool = True,
        lr_ratio: float = 5.0,
    ) -> None:
        """Prototypes for a head.

        Args:
            head: gives the length of a code.
            steps: of the whole training; has no influence here.
            seed: of the first prototypes, which are random directions.
            prototypes: classes to find.
            shift_self: within a crop, features that correlate more than this pull classes together.
            shift_other: the same between random crops.
            temperature: of the softmax over prototypes.
            keep: share of the prototypes' running mean that stays in a step.
            pointwise: center the features' correlations spatially.
            lr_ratio: learning rate of the prototypes over the head's.
        """
        super().__init__()
        self.shift_self, self.shift_other, self.temperature = shift_self, shift_other, temperature
        self.keep, self.pointwise, self.lr_ratio = keep, pointwise, lr_ratio
        first = torch.randn((prototypes, head.dim), generator=torch.Generator().manual_seed(seed))
        self.prototypes = nn.Parameter(functional.normalize(first, dim=1))
        self.register_buffer("average", self.prototypes.detach().clone())

    def groups(self, head: Head, lr: float) -> list[dict[str, Any]]:
        """The head at `lr`, the prototypes at `lr_ratio` times that."""
        return [{"params": [*head.parameters()], "lr": lr}, {"params": [self.prototypes], "lr": self.lr_ratio * lr}]

    def loss(
        self, head: Head, anchors: Patches, neighbors: Patches | None, generator: torch.Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Parts: `self`, `other` (without it where B = 1) and `data`."""
        anchors = anchors.to(head.mean.device)
        features = drop_channels(anchors.tokens - head.mean, head.dropout, generator)
        codes = head(anchors.tokens, generator)
        alike = smooseg.cosines(codes, self.average)
        own = smooseg.Side(features, torch.softmax(alike / self.temperature, dim=-1), anchors.valid)
        parts = {"self": smooseg.smoothness_loss(own, own, shift=self.shift_self, pointwise=self.pointwise)}
        if len(codes) > 1:
            other = own.take(other_indices(generator, len(codes)).to(codes.device))
            parts["other"] = smooseg.smoothness_loss(own, other, shift=self.shift_other, pointwise=self.pointwise)
        parts["data"] = smooseg.data_loss(codes, self.prototypes, alike.argmax(-1), anchors.valid)
        return torch.stack([*parts.values()]).sum(), {name: part.detach() for name, part in parts.items()}

    @torch.no_grad()
    def after_step(self, head: Head, step: int) -> None:
        """Move the prototypes' running mean."""
        self.average.mul_(self.keep).add_(self.prototypes, alpha=1 - self.keep)

"""SmooSeg objective (Lan et al., NeurIPS 2023): prototypes are learned together with the codes."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from segpipe.nn.head import Activation, Head
from segpipe.stages.train.losses import smooseg_energy as smooseg
from segpipe.stages.train.losses.sampled_points import other_indices
from segpipe.stages.train.objective_configs import SmoosegConfig
from segpipe.stages.train.objectives.objective import Objective, Patches


class Smooseg(Objective):
    """Smoothness within each crop and against one other random crop, and sharp classes around prototypes.

    Published hyper-parameters: codes of 64, steps of 32 crops, 3000 steps; a head with SiLU and channels dropped with
    probability 0.2. Neighbors are not used. The published classes are the prototypes; here codes are clustered.
    """

    LR, DIM, DROPOUT = 1e-4, 64, 0.2
    ACTIVATION: ClassVar[Activation] = "silu"

    average: Tensor

    def __init__(self, head: Head, config: SmoosegConfig, *, steps: int, seed: int) -> None:
        """Prototypes for a head.

        Args:
            head: gives the length of a code.
            config: settings.
            steps: of the whole training; has no influence here.
            seed: of the first prototypes, which are random directions.
        """
        super().__init__()
        self.config = config
        first = torch.randn((config.prototypes, head.dim), generator=torch.Generator().manual_seed(seed))
        self.prototypes = nn.Parameter(functional.normalize(first, dim=1))
        self.register_buffer("average", self.prototypes.detach().clone())

    def groups(self, head: Head, lr: float) -> list[dict[str, Any]]:
        """The head at `lr`, the prototypes at `lr_ratio` times that."""
        return [
            {"params": [*head.parameters()], "lr": lr},
            {"params": [self.prototypes], "lr": self.config.lr_ratio * lr},
        ]

    def loss(
        self, head: Head, anchors: Patches, neighbors: Patches | None, generator: torch.Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Parts: `self`, `other` (without it where B = 1) and `data`. Moves the prototypes' running mean."""
        anchors = anchors.to(head.mean.device)
        codes = head(anchors.tokens, generator)
        features = head.drop(anchors.tokens - head.mean, head.dropout, generator)
        cosines = smooseg.cosines(codes, self.average)
        own = smooseg.CropShares(features, torch.softmax(cosines / self.config.temperature, dim=-1), anchors.valid)
        parts = {
            "self": smooseg.smoothness_loss(own, own, shift=self.config.shift_self, pointwise=self.config.pointwise)
        }
        if len(codes) > 1:
            other = own.take(other_indices(generator, len(codes)).to(codes.device))
            parts["other"] = smooseg.smoothness_loss(
                own, other, shift=self.config.shift_other, pointwise=self.config.pointwise
            )
        parts["data"] = smooseg.data_loss(codes, self.prototypes, cosines.argmax(-1), anchors.valid)
        # before the optimizer's step, as published, and not in place: the loss still needs what it was
        self.average = torch.lerp(self.prototypes.detach(), self.average, self.config.keep)
        return torch.stack([*parts.values()]).sum(), {name: part.detach() for name, part in parts.items()}

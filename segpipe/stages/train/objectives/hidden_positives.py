"""Hidden-positives objective (Seong et al., CVPR 2023), without the augmented view."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from segpipe.nn.head import Head
from segpipe.stages.train.losses import hidden_positive_loss as hp
from segpipe.stages.train.objective_configs import HiddenPositivesConfig
from segpipe.stages.train.objectives.objective import Objective, Patches, copied, follow


class HiddenPositives(Objective):
    """Contrast of projected codes, and of codes mixed with their neighbors, by positives found against two pools.

    Published hyper-parameters (Potsdam, the corpus published without the augmented view): codes of 256, steps of 64
    crops. Neighbors of crops are not used. `start` must have been called: it fills the pools, each from patches of its
    own. As published, channels are dropped of all that positives are looked for in, pools included, and of mixed codes.
    """

    LR, DIM = 5e-4, 256
    GROWING = ("pool", "pool_codes")

    pool: Tensor
    pool_codes: Tensor

    def __init__(self, head: Head, config: HiddenPositivesConfig, *, steps: int, seed: int) -> None:
        """Projection, running mean and empty pools for a head.

        Args:
            head: gives the lengths of features and codes.
            config: settings.
            steps: of the whole training.
            seed: of the first projection, and of what is dropped in the first pools.
        """
        super().__init__()
        self.config, self.steps = config, steps
        self.clip, self.seed = config.clip, seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.projection = nn.Linear(head.dim, head.dim)
        self.average = copied(head)
        self.register_buffer("pool", torch.empty(0, head.in_dim))
        self.register_buffer("pool_codes", torch.empty(0, head.dim))

    @torch.no_grad()
    def start(self, head: Head) -> None:
        """Fill the pools.

        Raises:
            ValueError: there are no patches.
        """
        follow(self.average, head, keep=0)
        generator = torch.Generator().manual_seed(self.seed)
        sample = self.patches(self.config.pool, 0)
        if not len(sample):
            raise ValueError("hidden positives need a sample of patches to compare with")
        self.pool = head.drop(sample.to(head.mean.device) - head.mean, head.dropout, generator)
        self._draw_codes(head, 1, generator)

    @torch.no_grad()
    def _draw_codes(self, head: Head, number: int, generator: torch.Generator) -> None:
        """Fill the pool of codes from patches never used."""
        codes = self.average(self.patches(self.config.pool, number).to(head.mean.device), generator)
        self.pool_codes = head.drop(codes, head.dropout, generator)

    def groups(self, head: Head, lr: float) -> list[dict[str, Any]]:
        """Head and projection at `lr`; the head with decoupled weight decay, the projection not clipped."""
        decay = {"weight_decay": self.config.weight_decay, "decoupled_weight_decay": True}
        return [
            {"params": [*head.parameters()], "lr": lr, **decay},
            {"params": [*self.projection.parameters()], "lr": lr, "clipped": False},
        ]

    def loss(
        self, head: Head, anchors: Patches, neighbors: Patches | None, generator: torch.Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Parts: `global` and `local`; the total is their mean. Renews the pool of codes, moves the running mean."""
        if step and step % self.config.renew == 0:
            self._draw_codes(head, step, generator)
        anchors = anchors.to(head.mean.device)
        features = anchors.tokens - head.mean
        codes = head(anchors.tokens, generator)

        def drop(vectors: Tensor) -> Tensor:
            return head.drop(vectors, head.dropout, generator)

        with torch.no_grad():
            means = self.average(anchors.tokens, generator)
            follow(self.average, head, keep=self.config.keep)  # before the optimizer's step, as published
            agnostic = hp.Space.of(drop(features), self.pool)
            specific = hp.Space.of(drop(means), self.pool_codes)
        mixed = drop(hp.mix_neighbors(codes, features, anchors.valid, anchors.grids))
        count, length = anchors.valid.shape
        random = None
        if self.config.kept < 1:  # the same for every item, as published
            random = (torch.rand((length, count * length), generator=generator) < self.config.kept).to(codes.device)
        share = max(0.0, (step - self.config.warmup) / max(1, self.steps - self.config.warmup))
        parts = hp.hidden_positive_losses(
            (self.projection(codes), self.projection(mixed)),
            agnostic,
            specific,
            anchors.valid,
            share=share,
            random=random,
            temperature=self.config.temperature,
        )
        named = {name: part.detach() for name, part in zip(("global", "local"), parts, strict=True)}
        return torch.stack(parts).mean(), named

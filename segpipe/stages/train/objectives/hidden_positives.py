"""Train a head by hidden positives (Seong et al., CVPR 2023), without the augmented view."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from segpipe.nn.head import Head
from segpipe.stages.train.losses import hidden_positive_loss as hp
from segpipe.stages.train.objectives.objective import Objective, Patches, copied, follow


class HiddenPositives(Objective):
    """Contrast of projected codes, and of codes mixed with their neighbors, by positives found against two pools.

    Published hyper-parameters (Potsdam, the corpus published without the augmented view): codes of 256, steps of 64
    crops. Neighbors of crops are not used. `start` must have been called: the pool is its sample.
    """

    LR, DIM = 5e-4, 256
    GROWING = ("pool", "pool_codes")

    pool: Tensor
    pool_codes: Tensor

    def __init__(
        self,
        head: Head,
        *,
        steps: int,
        seed: int,
        pool: int = 1024,
        renew: int = 20,
        warmup: int = 100,
        keep: float = 0.999,
        kept: float = 1.0,
        temperature: float = 0.4,
        weight_decay: float = 0.1,
        clip: float | None = 10.0,
    ) -> None:
        """Projection, running mean and empty pools for a head.

        Args:
            head: gives the lengths of features and codes.
            steps: of the whole training.
            seed: of the first projection.
            pool: patches that decide what is alike, wanted from `start` (published: 1024 to 2048, of as many images).
            renew: steps between computing the pool's codes anew.
            warmup: steps before positives by trained codes count; from there their weight grows to 1 at the end.
            keep: share of the head's running mean that stays in a step (published: 0.999, COCO-Stuff 0.99).
            kept: rho, random share of the other patches that positives stand against (published: 1, elsewhere 0.02).
            temperature: of the contrast (published: 0.4, elsewhere 0.6 and 0.8).
            weight_decay: of the head, decoupled (AdamW).
            clip: largest norm of all gradients.
        """
        super().__init__()
        self.steps, self.sample, self.renew, self.warmup = steps, pool, renew, warmup
        self.keep, self.kept, self.temperature, self.weight_decay, self.clip = (
            keep,
            kept,
            temperature,
            weight_decay,
            clip,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.projection = nn.Linear(head.dim, head.dim)
        self.average = copied(head)
        self.register_buffer("pool", torch.empty(0, head.in_dim))
        self.register_buffer("pool_codes", torch.empty(0, head.dim))

    @torch.no_grad()
    def start(self, head: Head, sample: Tensor) -> None:
        """Fill the pools.

        Raises:
            ValueError: the sample is empty.
        """
        if not len(sample):
            raise ValueError("hidden positives need a sample of patches to compare with")
        follow(self.average, head, keep=0)
        self.pool = sample.to(head.mean.device)
        self.pool_codes = self.average(self.pool)

    def groups(self, head: Head, lr: float) -> list[dict[str, Any]]:
        """Head and projection at `lr`; the head with decoupled weight decay."""
        decay = {"weight_decay": self.weight_decay, "decoupled_weight_decay": True}
        return [
            {"params": [*head.parameters()], "lr": lr, **decay},
            {"params": [*self.projection.parameters()], "lr": lr},
        ]

    def loss(
        self, head: Head, anchors: Patches, neighbors: Patches | None, generator: torch.Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Parts: `global` and `local`; the total is their mean."""
        anchors = anchors.to(head.mean.device)
        features = anchors.tokens - head.mean
        codes = head(anchors.tokens, generator)
        mixed = hp.mix_neighbors(codes, features, anchors.valid, anchors.grids)
        with torch.no_grad():
            means = self.average(anchors.tokens, generator)
            agnostic = hp.Space.of(features, self.pool - head.mean)
            specific = hp.Space.of(means, self.pool_codes)
        count, length = anchors.valid.shape
        random = None
        if self.kept < 1:  # the same for every item, as published
            random = (torch.rand((length, count * length), generator=generator) < self.kept).to(codes.device)
        share = max(0.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        parts = hp.hidden_positive_losses(
            (self.projection(codes), self.projection(mixed)),
            agnostic,
            specific,
            anchors.valid,
            share=share,
            random=random,
            temperature=self.temperature,
        )
        named = {name: part.detach() for name, part in zip(("global", "local"), parts, strict=True)}
        return torch.stack(parts).mean(), named

    @torch.no_grad()
    def after_step(self, head: Head, step: int) -> None:
        """Move the head's running mean, and from time to time the pool's codes with it."""
        follow(self.average, head, keep=self.keep)
        if (step + 1) % self.renew == 0:
            self.pool_codes = self.average(self.pool)

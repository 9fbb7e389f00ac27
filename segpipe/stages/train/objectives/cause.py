"""CAUSE-MLP objective (Kim et al., 2023): first a codebook of the features, then contrast of codes by it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from segpipe.nn.head import Head
from segpipe.stages.train.losses import cause_loss as cause
from segpipe.stages.train.objective_configs import CauseConfig
from segpipe.stages.train.objectives.objective import Objective, Patches, copied, follow


class Cause(Objective):
    """Stage 1 fits a codebook to modularity, the head stands still; stage 2 trains the head by contrast.

    The published code clips the gradients of stage 2 together with those of a linear probe that learns from labels;
    here there is none.

    In stage 2 patches of near codes are pulled to the projections that a teacher, the running mean of the head, gives
    in the batch and gave in earlier steps (the bank). The teacher is the final head. Published hyper-parameters
    (COCO-Stuff): codes of 90, steps of 16 crops, one epoch of stage 1 and two of stage 2. Neighbors are not used. The
    published third stage, a cosine k-means of the teacher's codes, is clustering.

    """

    LR, DIM = 1e-3, 90
    WHOLE_CHANNELS = False
    GROWING = ("bank_ids", "bank_vectors")

    bank_ids: Tensor
    bank_vectors: Tensor

    def __init__(self, head: Head, config: CauseConfig, *, steps: int, seed: int) -> None:
        """Codebook, projection, teacher and empty bank for a head.

        Args:
            head: gives the lengths of features and codes; the teacher starts as its copy.
            config: settings.
            steps: of the whole training.
            seed: of the first codebook and projection.
        """
        super().__init__()
        self.config, self.clip = config, config.clip
        self.first = round(config.warmup * steps)
        self.contrast = cause.ContrastConfig(config.temperature, config.positive, config.negative)
        rng, codes = torch.Generator().manual_seed(seed), config.codes
        self.codebook = nn.Parameter((torch.rand((codes, head.in_dim), generator=rng) * 2 - 1) / codes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.projection = nn.Linear(head.dim, config.projection)
        self.teacher, self.teacher_projection = copied(head), copied(self.projection)
        self.register_buffer("bank_ids", torch.empty(0, dtype=torch.int64))
        self.register_buffer("bank_vectors", torch.empty(0, config.projection))

    def start(self, head: Head) -> None:
        """Make the teacher the head's copy, its mean included."""
        follow(self.teacher, head, keep=0)

    def groups(self, head: Head, lr: float) -> list[dict[str, Any]]:
        """Head, projection and codebook at `lr`, the codebook without weight decay and not clipped."""
        return [
            {
                "params": [*head.parameters(), *self.projection.parameters()],
                "lr": lr,
                "weight_decay": self.config.weight_decay,
            },
            {"params": [self.codebook], "lr": lr, "clipped": False},
        ]

    def loss(
        self, head: Head, anchors: Patches, neighbors: Patches | None, generator: torch.Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Parts: `modularity` in stage 1; `batch` and, where the bank holds anything, `bank` in stage 2.

        In stage 2 the step's projections enter the bank.
        """
        device = head.mean.device
        places, taken = cause.pick_one_per_block(
            anchors.valid.cpu(), anchors.grids.cpu(), generator, block=self.config.block
        )
        places, taken = places.to(device), taken.to(device)
        tokens = anchors.tokens.to(device)
        tokens = tokens.gather(1, places[..., None].expand(-1, -1, tokens.shape[-1]))
        features = tokens - head.mean
        if step < self.first:
            loss = cause.modularity_loss(features, self.codebook, taken, temperature=self.config.sharpness)
            return loss, {"modularity": loss.detach()}
        with torch.no_grad():
            ids = cause.nearest_code(features, self.codebook)
            teachers = self.teacher_projection(self.teacher(tokens, generator)).flatten(0, 1)
        students = self.projection(head(tokens, generator))
        batch = cause.Others(teachers, ids.flatten(), taken.flatten())
        found = {
            "batch": cause.contrast_losses(students, ids, taken, batch, self.codebook, own=True, config=self.contrast)
        }
        if len(self.bank_ids):
            bank_valid = torch.ones_like(self.bank_ids, dtype=torch.bool)
            stored = cause.Others(self.bank_vectors, self.bank_ids, bank_valid)
            found["bank"] = cause.contrast_losses(
                students, ids, taken, stored, self.codebook, own=False, config=self.contrast
            )
        bank = cause.Bank(self.bank_ids, self.bank_vectors)
        kept = taken.flatten()
        bank = bank.renewed(ids.flatten()[kept], teachers[kept], generator, limit=self.config.bank)
        self.bank_ids, self.bank_vectors = bank.ids, bank.vectors
        each, number = (torch.stack(parts) for parts in zip(*found.values(), strict=True))
        # as published each crop's contrast counts once for the batch and once for the bank
        total = each.sum() / number.sum().clamp(min=1)
        return total, {name: (e.sum() / n.sum().clamp(min=1)).detach() for name, (e, n) in found.items()}

    def after_step(self, head: Head, step: int) -> None:
        """Move the teacher; in stage 2 it first becomes the head, whose memory the published one shares until then."""
        keep = 0.0 if step <= self.first else self.config.keep
        follow(self.teacher, head, keep=keep)
        follow(self.teacher_projection, self.projection, keep=keep)

    def final(self, head: Head) -> Head:
        """The teacher."""
        return self.teacher

"""Train a head by STEGO (Hamilton et al., ICLR 2022): codes correlate where features correlate more than a shift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from segpipe.nn.head import Head, drop_channels
from segpipe.objectives.base import Objective, Patches
from segpipe.ops import correspondence
from segpipe.ops.correspondence import Shift, Side, Term


class Stego(Objective):
    """The correspondence loss within each crop, against a neighbor, and against random others (where there are any).

    Defaults are those of the released model for COCO-Stuff and ViT-S/8: codes of 70, steps of 16 crops.
    """

    LR, DIM = 5e-4, 70

    def __init__(
        self,
        head: Head,
        *,
        steps: int,
        seed: int,
        weights: Mapping[str, float] | None = None,
        shifts: Mapping[str, Shift] | None = None,
        samples: int = 11,
        negatives: int = 5,
        pointwise: bool = True,
        zero_clamp: bool = True,
        stabilize: bool = False,
    ) -> None:
        """Nothing but the head is trained.

        Args:
            head: has no influence here.
            steps: of the whole training; has no influence here.
            seed: has no influence here.
            weights: by kind of pair: `self`, `neighbor`, `negative`.
            shifts: by kind of pair: features that correlate more than this pull codes together; or what makes it of
                every step's correlations.
            samples: points per crop and step are samples x samples.
            negatives: random crops that each anchor is held against.
            pointwise: center the features' correlations spatially.
            zero_clamp: do not push codes apart beyond orthogonal.
            stabilize: do not pull codes together beyond a cosine of 0.8.
        """
        super().__init__()
        self.weights = dict(weights or {"self": 0.67, "neighbor": 0.25, "negative": 0.63})
        self.shifts: dict[str, Shift] = dict(shifts or {"self": 0.08, "neighbor": 0.02, "negative": 0.66})
        self.samples, self.negatives = samples, negatives
        self.pointwise, self.zero_clamp, self.stabilize = pointwise, zero_clamp, stabilize
        self._terms: dict[str, Term] = {}

    def groups(self, head: Head, lr: float) -> list[dict[str, Any]]:
        """The head at `lr`."""
        return [{"params": [*head.parameters()], "lr": lr}]

    def loss(
        self, head: Head, anchors: Patches, neighbors: Patches | None, generator: torch.Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Parts: `self`, `neighbor` (where there are pairs) and `negative` (where B > 1), before weighting."""
        here = _encode(head, anchors, generator)
        there = None if neighbors is None else _encode(head, neighbors, generator)
        anchor, groups = correspondence.sample_groups(
            here, there, generator, samples=self.samples, negatives=self.negatives
        )
        total, self._terms = correspondence.stego_loss(
            anchor,
            groups,
            weights=self.weights,
            shifts=self.shifts,
            pointwise=self.pointwise,
            zero_clamp=self.zero_clamp,
            stabilize=self.stabilize,
        )
        return total, {kind: term.loss.detach() for kind, term in self._terms.items()}

    def correlations(self) -> dict[str, Tensor]:
        """Of all pairs of points of the last step."""
        codes = {f"code_{kind}": term.codes for kind, term in self._terms.items()}
        return codes | {f"feature_{kind}": term.features for kind, term in self._terms.items()}


def _encode(head: Head, patches: Patches, generator: torch.Generator) -> Side:
    """Pass crops through the head in training; the features they are held against are dropped too, as published."""
    tokens = patches.tokens.to(head.mean.device)
    features = drop_channels(tokens - head.mean, head.dropout, generator)
    return Side(features, head(tokens, generator), patches.grids.cpu(), patches.valid.cpu())

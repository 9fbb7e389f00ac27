"""What the training loop asks of a method of pretraining (DINO, DoRA), and of what judges it while it trains.

The loop (`training_loop.py`) knows steps, micro-batches, processes, schedules and checkpoints; a method knows its views
and its loss. Whatever is random is drawn from the generator that is handed in, so that a step is the same after a
restart, with other numbers of workers, and in any process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

Views: TypeAlias = "tuple[Tensor, ...]"
"""Of one item, on the CPU, float32: images (3, S, S) or clips (T, 3, S, S), normalized by the backbone's mean and
standard deviation. As many, and of the same shapes, for every item."""
Batch: TypeAlias = "tuple[Tensor, ...]"
"""Of a micro-batch, for each of the `Views` one tensor with the items first: (B, 3, S, S) or (B, T, 3, S, S)."""
SumOver: TypeAlias = "Callable[[Tensor], Tensor]"
"""The sum of a tensor over all processes; the tensor itself where there is one process."""


class HeadedNetwork(Protocol):
    """Student or teacher: a timm backbone and its projection head (`nn.projection_head.Headed`)."""

    backbone: nn.Module
    """timm's network without classifier: `forward_features`, `blocks`, `patch_embed`."""
    head: nn.Module
    """(N, width) features to (N, outputs)."""

    def __call__(self, views: tuple[Tensor, ...]) -> Tensor:
        """Views (B, 3, S, S) each, of several sizes, to (views * B, outputs), one view after the other."""
        ...

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) to the pooled features (B, width): the CLS token of a ViT, the mean over places of a CNN."""
        ...


class Method(Protocol):
    """A method of pretraining on `len(method)` items: images, or starting frames of clips."""

    def __len__(self) -> int:
        """How many items there are."""
        ...

    def views(self, item: int, generator: np.random.Generator) -> Views:
        """The augmented views of an item; called in threads, draws from the generator alone.

        Raises:
            BadImage: the item cannot be read; the loop draws another one in its place.
        """
        ...

    def collate(self, items: Sequence[Views]) -> Batch:
        """The views of several items, stacked."""
        ...

    def loss(
        self, student: HeadedNetwork, teacher: HeadedNetwork, batch: Batch, step: int, generator: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss of one micro-batch, a mean over its items that can be differentiated, and figures to log.

        The batch lies on the networks' device; the loop has entered autocast where it is used. What a center needs is
        summed up here and used in `after_step`. Figures are averaged over micro-batches and processes; `entropy` is
        the mean entropy of the teacher's outputs, nats, `mean_entropy` that of their mean.
        """
        ...

    def after_step(self, step: int, total: SumOver) -> None:
        """Once a step, after the teacher has moved: update the center from the sums of all micro-batches.

        Args:
            step: counted from 0.
            total: sums over processes; every process calls it equally often.
        """
        ...

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must hold besides networks and optimizer: the center."""
        ...

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""
        ...

    def figures(self, step: int) -> Mapping[str, float]:
        """What is logged of a step besides the loss's figures: the teacher's temperature."""
        ...

    def pair(self, item: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Two augmented views (3, S, S) of an item by which the features are judged while they train."""
        ...

    def captions(self) -> tuple[str, ...]:
        """For the sheet of samples: what each picture of `pictures` shows, with the probabilities of what was done."""
        ...

    def pictures(self, views: Views) -> tuple[Tensor, ...]:
        """The views as single images (3, S, S), still normalized: the columns of the sheet of samples."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found of the teacher at a step, without labels."""

    figures: Mapping[str, float]
    """Logged by these names, such as `knn_agreement` and `rank`."""
    collapse: str = ""
    """One line where the features have collapsed: by which sign, and what to do; empty where they have not."""


class Judge(Protocol):
    """Judges the teacher's features at some steps. What it draws depends on its own seed alone."""

    def judge(self, teacher: HeadedNetwork, step: int, figures: Mapping[str, float]) -> Judgement:
        """Look at the teacher, in evaluation mode and without gradients; leaves its mode as it was.

        Args:
            teacher: on its device.
            step: counted from 0.
            figures: what was logged of this step so far: `loss`, `entropy`, `mean_entropy`.
        """
        ...

    def state(self) -> Mapping[str, float]:
        """What a checkpoint must hold so that later judgements do not change: such as the highest rank so far."""
        ...

    def load_state(self, values: Mapping[str, float]) -> None:
        """Take up what `state` gave."""
        ...

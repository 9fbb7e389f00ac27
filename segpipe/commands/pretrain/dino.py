"""DINO: self-distillation of views of single images (Caron et al. 2021, arXiv 2104.14294)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segpipe.commands.pretrain.image_views import ImageViews, view_captions
from segpipe.commands.pretrain.method import Batch, HeadedNetwork, SumOver, Views
from segpipe.commands.pretrain.options import AugmentOptions, DinoOptions
from segpipe.nn.pretraining.schedules import ramp
from segpipe.nn.pretraining.self_distillation import distill, entropies, move_center, teacher_probabilities

_TEACHERS = 2  # views that the teacher sees: the large ones


class Dino:
    """The method: multi-crop views, and a loss whose teacher is centered and sharpened."""

    def __init__(
        self,
        read: Callable[[int], npt.NDArray[np.uint8]],
        count: int,
        chosen: Any,
        norm: Any,
        *,
        outputs: int,
        steps: int,
        device: str,
    ) -> None:
        """Begin with a center of zeros.

        Args:
            read: an item's picture (H, W, 3).
            count: how many items there are.
            chosen: `AugmentOptions` and `DinoOptions` in one.
            norm: mean and standard deviation of the network's input.
            outputs: of the head.
            steps: of the whole training.
            device: where the networks lie.
        """
        augmenting: AugmentOptions = chosen
        learning: DinoOptions = chosen
        self._views = ImageViews(read, count, augmenting, norm)
        self._augmenting, self._learning, self._steps = augmenting, learning, steps
        self.center = torch.zeros(outputs, device=device)
        self._sum = torch.zeros(outputs, device=device)
        self._seen = torch.zeros(1, device=device)

    def __len__(self) -> int:
        return self._views.count

    def views(self, item: int, generator: np.random.Generator) -> Views:
        """Two large views (3, S, S) and several small ones."""
        return self._views(item, generator)

    def collate(self, items: Sequence[Views]) -> Batch:
        """For each view one tensor (B, 3, S, S)."""
        return tuple(torch.stack(views) for views in zip(*items, strict=True))

    def loss(
        self, student: HeadedNetwork, teacher: HeadedNetwork, batch: Batch, step: int, generator: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """The student's answers to all views against the teacher's to the large ones; draws nothing."""
        count = len(batch[0])
        with torch.no_grad():
            wanted = teacher(batch[:_TEACHERS]).float()
        given = student(batch).float()
        temperature = self._temperature(step)
        loss = distill(
            given.view(len(batch), count, -1),
            wanted.view(_TEACHERS, count, -1),
            self.center,
            student_temperature=self._learning.student_temp,
            teacher_temperature=temperature,
        )
        self._sum += wanted.sum(dim=0)
        self._seen += len(wanted)
        entropy, mean_entropy = entropies(teacher_probabilities(wanted, self.center, temperature=temperature))
        return loss, {"entropy": entropy, "mean_entropy": mean_entropy}

    def _temperature(self, step: int) -> float:
        chosen = self._learning
        steps = round(chosen.teacher_temp_warmup * self._steps)
        return ramp(step, steps=steps, start=chosen.teacher_temp_start, end=chosen.teacher_temp)

    def after_step(self, step: int, total: SumOver) -> None:
        """Move the center toward the mean of the teacher's scores in this step."""
        mean = total(self._sum) / total(self._seen)
        self.center = move_center(self.center, mean, momentum=self._learning.center_momentum)
        self._sum.zero_()
        self._seen.zero_()

    def state(self) -> dict[str, Tensor]:
        """The center."""
        return {"center": self.center}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up a center."""
        self.center = tensors["center"].to(self.center.device)

    def figures(self, step: int) -> Mapping[str, float]:
        """The teacher's temperature."""
        return {"teacher_temperature": self._temperature(step)}

    def pair(self, item: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The two large views of an item."""
        first, second = self._views.pair(item, generator)
        return first, second

    def captions(self) -> tuple[str, ...]:
        """Of each view its size, and the probability of each augmentation."""
        return view_captions(self._augmenting)

    def pictures(self, views: Views) -> tuple[Tensor, ...]:
        """The views themselves."""
        return views

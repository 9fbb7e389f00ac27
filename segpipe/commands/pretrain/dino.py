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
from segpipe.commands.pretrain.teacher_center import TeacherCenter
from segpipe.nn.pretraining.self_distillation import distill

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
        self._augmenting, self._student_temp = augmenting, learning.student_temp
        self._center = TeacherCenter(learning, outputs=outputs, steps=steps, device=device)

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
        loss = distill(
            given.view(len(batch), count, -1),
            wanted.view(_TEACHERS, count, -1),
            self._center.center,
            student_temperature=self._student_temp,
            teacher_temperature=self._center.temperature(step),
        )
        _, figures = self._center.targets(wanted, step)
        return loss, figures

    def after_step(self, step: int, total: SumOver) -> None:
        """Move the center toward the mean of the teacher's scores in this step."""
        self._center.move(total)

    def state(self) -> dict[str, Tensor]:
        """The center."""
        return self._center.state()

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up a center."""
        self._center.load_state(tensors)

    def figures(self, step: int) -> Mapping[str, float]:
        """The teacher's temperature."""
        return {"teacher_temperature": self._center.temperature(step)}

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

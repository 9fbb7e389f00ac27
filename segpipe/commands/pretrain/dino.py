"""DINO: self-distillation of views of single images (Caron et al. 2021, arXiv 2104.14294)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segpipe.commands.pretrain.image_views import ImageViews, view_captions
from segpipe.commands.pretrain.method import Batch, HeadedNetwork, Views
from segpipe.commands.pretrain.options import AugmentOptions, DinoOptions
from segpipe.commands.pretrain.teacher_center import CenteredMethod, TeacherCenter
from segpipe.nn.pretraining.self_distillation import distill

_TEACHERS = 2  # views that the teacher sees: the large ones


class Dino(CenteredMethod):
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

    def loss(
        self, student: HeadedNetwork, teacher: HeadedNetwork, batch: Batch, step: int, generator: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """The student's answers to all views against the teacher's to the large ones; draws nothing."""
        count = len(batch[0])
        with torch.no_grad():
            wanted = teacher(batch[:_TEACHERS]).float()
        given = student(batch).float()
        targets, figures = self._center.targets(wanted, step)
        scores, wanted = given.view(len(batch), count, -1), targets.view(_TEACHERS, count, -1)
        loss = distill(scores, wanted, student_temperature=self._student_temp)
        return loss, figures

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

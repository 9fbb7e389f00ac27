"""The center of the teacher's scores: taken off before they become targets, moved once a step; and what has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from segpipe.commands.pretrain.method import Batch, SumOver, Views
from segpipe.nn.pretraining.schedules import ramp
from segpipe.nn.pretraining.self_distillation import entropies, move_center, teacher_probabilities

if TYPE_CHECKING:
    from segpipe.commands.pretrain.options import DinoOptions


class TeacherCenter:
    """What makes targets of the teacher's scores, over a whole training."""

    def __init__(self, chosen: DinoOptions, *, outputs: int, steps: int, device: str) -> None:
        """Begin with zeros.

        Args:
            chosen: temperatures and momentum.
            outputs: of the head.
            steps: of the whole training.
            device: where the networks lie.
        """
        self._chosen, self._steps = chosen, steps
        self.center = torch.zeros(outputs, device=device)
        self._sum = torch.zeros(outputs, device=device)
        self._seen = torch.zeros(1, device=device)

    def targets(self, scores: Tensor, step: int) -> tuple[Tensor, dict[str, float]]:
        """Probabilities (N, outputs) of the teacher's scores (N, outputs), which are summed up, and their entropies."""
        self._sum += scores.sum(dim=0)
        self._seen += len(scores)
        found = teacher_probabilities(scores, self.center, temperature=self.temperature(step))
        entropy, mean_entropy = entropies(found)
        return found, {"entropy": entropy, "mean_entropy": mean_entropy}

    def temperature(self, step: int) -> float:
        """Of the teacher at a step."""
        steps = round(self._chosen.teacher_temp_warmup * self._steps)
        return ramp(step, steps=steps, start=self._chosen.teacher_temp_start, end=self._chosen.teacher_temp)

    def move(self, total: SumOver) -> None:
        """Toward the mean of all scores since the last call, in all processes."""
        mean = total(self._sum) / total(self._seen)
        self.center = move_center(self.center, mean, momentum=self._chosen.center_momentum)
        self._sum.zero_()
        self._seen.zero_()

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {"center": self.center}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""
        self.center = tensors["center"].to(self.center.device)


class CenteredMethod:
    """What DINO and DoRA share of a `Method`: stacked views, and a center that is moved, kept and told."""

    _center: TeacherCenter

    def collate(self, items: Sequence[Views]) -> Batch:
        """For each view one tensor, the items first."""
        return tuple(torch.stack(views) for views in zip(*items, strict=True))

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

"""Objective: the base class of every training method; a loss per step, and its state between steps."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from segpipe.nn.head import Activation, Head

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Patches:
    """The crops of a step as tensors; each fills the first rows * cols of its N places, row by row."""

    tokens: Tensor
    """(B, N, d) float32, or float16 as stored; what the head is given: it takes its mean away itself."""
    grids: Tensor
    """(B, 2) int64 rows and columns."""
    valid: Tensor
    """(B, N) bool: which patches show image."""

    def to(self, device: torch.device) -> Patches:
        """The same on a device."""
        return Patches(self.tokens.to(device), self.grids.to(device), self.valid.to(device))


class Objective(nn.Module):
    """A way to train a head.

    Whatever is trained or kept besides the head (prototypes, a codebook, a bank, running means) is a parameter or a
    buffer, so that `state_dict` together with the head's and the optimizer's is all that the next step depends on.

    The order of a training: `patches` is set, `start` once before step 0 (not when it goes on from a checkpoint), then
    for each step `loss`, backward, the gradients of `groups` clipped to `clip`, the optimizer's step and `after_step`;
    `final` at the end. The optimizer is `torch.optim.Adam(objective.groups(head, lr))`; parameters that a step did not
    use must be left without gradient (`zero_grad(set_to_none=True)`, which is torch's default).
    """

    LR: ClassVar[float]
    """The published learning rate of the head."""
    DIM: ClassVar[int]
    """The published length of a code."""
    ACTIVATION: ClassVar[Activation] = "relu"
    """Of the published head's hidden layer."""
    DROPOUT: ClassVar[float] = 0.1
    """The published probability to be dropped, of what the head is given."""
    WHOLE_CHANNELS: ClassVar[bool] = True
    """Whether whole channels of a crop are dropped (torch's Dropout2d), or each number for itself."""
    GROWING: ClassVar[tuple[str, ...]] = ()
    """Buffers whose first axis changes in training: they take the size of what is loaded."""

    SPREADS: ClassVar[bool] = False
    """Whether `loss` shares its work among threads of its own, each of which computes alone."""

    clip: float | None = None
    """Largest norm of the gradients together, of all groups but those that say `"clipped": False`."""
    patches: Callable[[int, int], Tensor]
    """(count, d) float32 features of random valid patches as the head is given them, each of another crop, and fewer
    where there are fewer crops; called with the count and a number, other patches for each number."""
    first: int = 0
    """The step from which on the head is trained."""

    def start(self, head: Head) -> None:
        """Get ready for step 0; the head is as before training, its mean set."""

    def groups(self, head: Head, lr: float) -> list[dict[str, Any]]:
        """Parameter groups for Adam, the head's at learning rate `lr` and the others in the published ratio to it."""
        raise NotImplementedError

    def loss(
        self, head: Head, anchors: Patches, neighbors: Patches | None, generator: torch.Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a step.

        Args:
            head: in training mode.
            anchors: B crops.
            neighbors: a neighbor of each, None in a corpus without pairs.
            generator: on the CPU; draws everything random of the step.
            step: counted from 0.

        Returns:
            The total with its gradient, and its named parts (scalars without gradient) for the log.
        """
        raise NotImplementedError

    def clip_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients of the groups that take part to `clip`, all together."""
        if self.clip is not None:
            held = [p for group in optimizer.param_groups if group.get("clipped", True) for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(held, self.clip)

    def after_step(self, head: Head, step: int) -> None:
        """Move what follows the head, after the optimizer's step."""

    def correlations(self) -> dict[str, Tensor]:
        """Correlations behind the last loss by kind of pair (`self`, `neighbor`, `negative`), without gradient.

        `code_<kind>` are cosines of codes, `feature_<kind>` what they are held against; any shape. Empty where a method
        does not look at pairs of points.
        """
        return {}

    def means(self) -> dict[str, Tensor]:
        """The mean of each of `correlations`."""
        return {name: found.mean() for name, found in self.correlations().items()}

    def final(self, head: Head) -> Head:
        """The head to keep when training is over."""
        return head

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        for name in self.GROWING:
            given, held = state_dict.get(prefix + name), getattr(self, name)
            if given is not None and given.shape[1:] == held.shape[1:]:
                setattr(self, name, held.new_empty(given.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


def copied(module: M) -> M:
    """A copy that no optimizer moves."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(average: nn.Module, module: nn.Module, *, keep: float) -> None:
    """Move a running mean of a module: keep * average + (1 - keep) * module, for each parameter; buffers are copied."""
    for ours, theirs in zip(average.parameters(), module.parameters(), strict=True):
        ours.mul_(keep).add_(theirs, alpha=1 - keep)
    for held, given in zip(average.buffers(), module.buffers(), strict=True):
        held.copy_(given)

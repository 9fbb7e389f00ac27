"""Checkpoint of a training: all that its next step depends on, in one file of tensors, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segpipe.base.errors import UsageError
from segpipe.nn.projection_head import Headed
from segpipe.store.checkpoints import load_tensors, save_tensors

CHECKPOINT = "checkpoint"
_FILE = "training.safetensors"
_PARTS = ("student", "teacher", "optimizer", "method")


@dataclass(frozen=True, slots=True)
class Training:
    """What changes from step to step, besides the method's center."""

    student: Headed
    teacher: Headed
    optimizer: torch.optim.Optimizer


def save_state(
    out: Path, training: Training, *, step: int, method: Mapping[str, Tensor], judge: Mapping[str, float]
) -> None:
    """Write the checkpoint; the one before stays until it is whole.

    Args:
        out: the folder OUT.
        training: networks and optimizer.
        step: steps that are done.
        method: its state.
        judge: its state.
    """
    tensors = {f"student.{name}": value for name, value in training.student.state_dict().items()}
    tensors |= {f"teacher.{name}": value for name, value in training.teacher.state_dict().items()}
    tensors |= {f"method.{name}": value for name, value in method.items()}
    for number, values in training.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
    meta = {"step": step, "judge": dict(judge)}
    save_tensors(out / CHECKPOINT / _FILE, tensors, meta, sealed=True)


def load_state(out: Path, training: Training) -> tuple[int, dict[str, Tensor], dict[str, float]]:
    """Take up a checkpoint.

    Returns:
        Steps that are done, 0 where there is no checkpoint; the method's state and the judge's.

    Raises:
        UsageError: it is damaged.
    """
    path = out / CHECKPOINT / _FILE
    if not path.exists():
        return 0, {}, {}
    try:
        tensors, meta = load_tensors(path, sealed=True)
        parts = _split(tensors)
        training.student.load_state_dict(parts["student"])
        training.teacher.load_state_dict(parts["teacher"])
        _load_optimizer(training.optimizer, parts["optimizer"])
        return int(meta["step"]), parts["method"], {str(name): float(x) for name, x in meta["judge"].items()}
    except (UsageError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path} is damaged or of another training; delete {out} to begin anew, or name another OUT"
        ) from error


def _split(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in _PARTS}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    return parts


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, rest = name.partition(".")
        state.setdefault(int(number), {})[rest] = value
    whole: dict[str, Any] = optimizer.state_dict()
    optimizer.load_state_dict({**whole, "state": state})


def state_bytes(training: Training) -> int:
    """About what a checkpoint takes: weights of both networks, and two moments of every trained one."""
    trained = sum(each.numel() for each in training.student.parameters() if each.requires_grad)
    both: int = sum(each.numel() for net in (training.student, training.teacher) for each in net.state_dict().values())
    return 4 * (both + 2 * trained)

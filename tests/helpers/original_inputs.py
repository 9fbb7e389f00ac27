"""Inputs and draws that the methods' original code was run with, made by a formula that needs no library's generator.

The numbers in `tests/parity/test_original_*.py` were printed by that code, its dropout and permutations replaced by
`draws` and by fixed ones; a tensor is printed as its `mark`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
import torch

from segpipe.nn.head import Head


def _table(shape: Sequence[int], phase: float, step: float) -> torch.Tensor:
    i = np.arange(1, math.prod(shape) + 1, dtype=np.float64)
    return torch.from_numpy(((i * i * step + 0.37 * phase) % 1).reshape(shape))


def wave(*shape: int, phase: float) -> torch.Tensor:
    """Numbers in [-1, 1) without order, another series for each phase."""
    return (_table(shape, phase, 0.6180339887498949) * 2 - 1).float()


def draws(*shape: int, phase: float) -> torch.Tensor:
    """The same in [0, 1), for what is drawn."""
    return _table(shape, phase, 0.7548776662466927).float()


def mark(tensor: torch.Tensor) -> float:
    """One number that every entry and its place decide."""
    return float((tensor.detach().reshape(-1) * wave(tensor.numel(), phase=7)).sum())


def fill(parameters: Iterable[torch.Tensor], start: int) -> None:
    """Waves of about the size of torch's initial weights."""
    with torch.no_grad():
        for phase, parameter in enumerate(parameters, start):
            parameter.copy_(wave(*parameter.shape, phase=phase) / math.sqrt(parameter.shape[-1]))


def filled(head: Head) -> Head:
    """A head of waves."""
    fill(head.parameters(), 20)
    return head.train()


def fixed(patch: pytest.MonkeyPatch, phases: Sequence[float]) -> None:
    """Make `torch.rand` give these `draws`, one phase a call."""
    left = [*phases]

    def rand(*shape: int | Sequence[int], **_: object) -> torch.Tensor:
        first = shape[0]
        return draws(*(first if not isinstance(first, int) else shape), phase=left.pop(0))  # type: ignore[misc]

    patch.setattr(torch, "rand", rand)

"""Processes that share a training: what `torchrun` says of them, and sums over all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn
from torch import distributed as dist

from segpipe.base.errors import UsageError

_PATIENCE = timedelta(days=2)
"""The first process may decode images for long, while the others wait for it."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Which of how many processes this is."""

    rank: int = 0
    count: int = 1
    local: int = 0
    """Its number on its machine: which GPU is its own."""

    @property
    def main(self) -> bool:
        """Whether this one writes."""
        return self.rank == 0

    def device(self, wanted: str) -> str:
        """The device of this process: of several GPUs each process of a machine has one."""
        return f"cuda:{self.local}" if wanted == "cuda" and self.count > 1 else wanted

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes; the tensor itself where there is one."""
        if self.count == 1:
            return tensor
        found = tensor.clone()
        dist.all_reduce(found)
        return found

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def sum_gradients(self, model: nn.Module) -> None:
        """Put the sum of every gradient over all processes in its place; all must have gradients of the same names."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        whole = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(whole)
        for gradient, part in zip(gradients, torch.split(whole, [each.numel() for each in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def same_everywhere(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the first one's tensors, in place."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def agree(self, flag: bool, device: str) -> bool:
        """Whether the first process says so."""
        told = torch.tensor([int(flag)], device=device)
        self.same_everywhere([told])
        return bool(told.item())


def told_processes() -> Processes:
    """What the environment says; one process where it says nothing.

    Raises:
        UsageError: it says something that cannot be meant.
    """
    values = {name: os.environ.get(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    if values["WORLD_SIZE"] is None or values["RANK"] is None:
        return Processes()
    try:
        found = Processes(int(values["RANK"]), int(values["WORLD_SIZE"]), int(values["LOCAL_RANK"] or 0))
    except ValueError as error:
        raise UsageError(
            f"RANK, WORLD_SIZE and LOCAL_RANK must be numbers, as torchrun sets them, not {values}"
        ) from error
    if not 0 <= found.rank < found.count:
        raise UsageError(f"RANK={found.rank} is none of WORLD_SIZE={found.count} processes; start them with torchrun")
    return found


@contextmanager
def together(processes: Processes, device: str) -> Iterator[None]:
    """Join the others for the time of a `with` block: by NCCL on GPUs, by gloo elsewhere."""
    if processes.count == 1:
        yield
        return
    gpu = torch.device(device).type == "cuda"
    if gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if gpu else "gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()

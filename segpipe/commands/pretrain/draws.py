"""What is drawn in a training, each from seeds of its own: the same after a restart and in any process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

_ORDER, _VIEWS, _LOSS, _DEPTH = range(4)
"""First number after the seed, so that no two kinds of draws are alike."""


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(count)


def item_at(seed: int, position: int, count: int) -> int:
    """The item at a position of an endless line in which every pass over all items has an order of its own."""
    epoch, place = divmod(position, count)
    return int(_order(seed, epoch, count)[place])


def view_generator(seed: int, step: int, slot: int) -> np.random.Generator:
    """For the views of the item in a slot of a step's batch."""
    return np.random.default_rng([seed, _VIEWS, step, slot])


def loss_generator(seed: int, step: int, micro: int) -> np.random.Generator:
    """For the loss of a micro-batch, counted over all processes."""
    return np.random.default_rng([seed, _LOSS, step, micro])


@contextmanager
def depth_seeded(seed: int, step: int, micro: int, device: str) -> Iterator[None]:
    """While blocks are left out at random: torch's own generators begin at a seed, and are as before afterward."""
    (value,) = np.random.SeedSequence([seed, _DEPTH, step, micro]).generate_state(1, np.uint64)
    gpu = torch.device(device).type == "cuda"
    with torch.random.fork_rng(devices=[device] if gpu else []):
        torch.manual_seed(int(value >> np.uint64(1)))
        yield

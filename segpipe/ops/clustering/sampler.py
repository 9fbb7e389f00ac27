"""Samplers: the crops of a training step and its random generator, functions of (seed, step) alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Int64 = npt.NDArray[np.int64]


def draw_rows(crops: Int64, neighbors: Int64, *, batch: int, seed: int) -> Callable[[int], tuple[Int64, Int64 | None]]:
    """Which crops each step looks at: step to anchors (batch,) and one neighbor of each.

    Anchors pass in a new random order each epoch; what is left at its end is skipped. A neighbor is drawn evenly.

    Args:
        crops: (m,) crops that take part, at least `batch`.
        neighbors: (n, k) neighbors of all crops; k = 0 gives None.
        batch: anchors per step.
        seed: epoch e draws from (seed, 1, e), step i from (seed, 2, i).
    """
    per_epoch = len(crops) // batch

    @lru_cache(maxsize=1)
    def order(epoch: int) -> Int64:
        return np.random.default_rng((seed, 1, epoch)).permutation(crops)

    def rows_of(step: int) -> tuple[Int64, Int64 | None]:
        epoch, place = divmod(step, per_epoch)
        anchors = order(epoch)[place * batch : (place + 1) * batch]
        if not neighbors.shape[1]:
            return anchors, None
        ranks = np.random.default_rng((seed, 2, step)).integers(neighbors.shape[1], size=batch)
        return anchors, neighbors[anchors, ranks]

    return rows_of


def some(count: int, most: int, rng: np.random.Generator) -> Int64:
    """Rising indices of at most `most` of `count` things, drawn evenly."""
    return np.arange(count) if count <= most else np.sort(rng.choice(count, most, replace=False))


def step_generator(seed: int, step: int, *, stream: int = 3) -> torch.Generator:
    """The generator of a step's points, permutations and dropout; another `stream` draws for another purpose."""
    import torch

    state = np.random.SeedSequence((seed, stream, step)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))

"""The bootstrap: intervals from samples drawn again with replacement, each as large as the first (Efron, 1979)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Interval = tuple[Float64, Float64]

AT_ONCE = 1 << 22
"""Numbers of a block of resamples that are held at once: 32 MB."""


def resample(items: int, *, draws: int, seed: int, width: int = 1) -> Iterator[Float64]:
    """How often each item comes in each of `draws` samples drawn with replacement, in blocks.

    Args:
        items: how many there are.
        draws: how many samples.
        seed: of the draws.
        width: numbers kept per item and sample; with it the size of a block.

    Yields:
        (block, items) times, every row sums to `items`.
    """
    rng, share = np.random.default_rng(seed), np.full(items, 1 / items)
    step = max(1, AT_ONCE // (items * width))
    for start in range(0, draws, step):
        yield rng.multinomial(items, share, size=min(step, draws - start)).astype(np.float64)

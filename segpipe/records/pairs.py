"""Image pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class PairIndex:
    """For each of n crops its k most similar other crops, most similar first."""

    neighbors: npt.NDArray[np.int64]
    """(n, k) crop indices; a row never holds its own index."""
    scores: npt.NDArray[np.float32]
    """(n, k) cosine similarities."""

    def __post_init__(self) -> None:
        n, k = self.neighbors.shape
        if self.scores.shape != (n, k):
            raise ValueError(f"scores must be ({n}, {k}) like neighbors, got {self.scores.shape}")
        if k and (self.neighbors.min() < 0 or self.neighbors.max() >= n):
            raise ValueError(f"neighbors must be crop indices from 0 to {n - 1}")
        if (self.neighbors == np.arange(n)[:, None]).any():
            raise ValueError("a crop must not be its own neighbor")
        if not np.isfinite(self.scores).all():
            raise ValueError("scores must be finite")

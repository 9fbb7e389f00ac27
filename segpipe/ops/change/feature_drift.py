"""Drift of features between two dates: the shift that all classes share, which light, season, depth or a camera make.

A class that changes moves by itself; what moves all of them together is no change of the ground. The shift is found by
turns: patches are assigned to classes, the classes' means compared, the shift taken away, and again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Assign = Callable[[Float32], Int64]
"""From features (n, d) to classes (n,), -1 for none."""

_TURNS = 8
_LEAST = 20  # patches of a class at each date


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """What moved, and how far."""

    shift: Float32
    """(d,) from the first date to the second."""
    size: float
    """Its length, in multiples of how far patches lie from the mean of their class (root mean square)."""
    noise: float
    """The same between two halves of the first date's images: what is measured where nothing drifts."""
    shared: float
    """Of how the classes' means moved the share that all have in common, 0 to 1."""

    @property
    def unevenness(self) -> float:
        """How far classes moved by themselves, in multiples of the shift (root mean square)."""
        return float(np.sqrt((1 - self.shared) / self.shared)) if self.shared > 0 else 0.0

    @property
    def seen(self) -> bool:
        """Whether it is more than noise."""
        return self.size > 2 * self.noise


def measure_drift(
    first: Float32, second: Float32, assign: Assign, classes: int, *, halves: npt.NDArray[np.bool_]
) -> FeatureDrift:
    """The shift of features that all classes share.

    Args:
        first: (n, d) features of patches at the first date.
        second: (m, d) at the second.
        assign: says their classes, as the run does.
        classes: how many there are.
        halves: (n,) patches of one half of the first date's images.
    """
    shift, size, shared = _common_shift(first, second, assign, classes)
    _, noise, _ = _common_shift(first[halves], first[~halves], assign, classes)
    return FeatureDrift(shift, size, noise, shared)


def _common_shift(first: Float32, second: Float32, assign: Assign, classes: int) -> tuple[Float32, float, float]:
    """The shift (d,), its size and its share."""
    dim = first.shape[1]
    if not len(first) or not len(second):
        return np.zeros(dim, np.float32), 0.0, 0.0
    before = _sums(first, assign(first), classes)
    shift, moves, weights = np.zeros(dim), np.zeros((classes, dim)), np.zeros(classes)
    for _ in range(_TURNS):
        after = _sums(second, assign(np.asarray(second - shift, np.float32)), classes)
        both = (before[0] >= _LEAST) & (after[0] >= _LEAST)
        weights = np.where(both, before[0] * after[0] / np.maximum(before[0] + after[0], 1), 0.0)
        if not both.any():
            return np.zeros(dim, np.float32), 0.0, 0.0
        moves = np.where(both[:, None], after[1] - before[1], 0.0)
        shift = weights @ moves / weights.sum()
    spread = np.sqrt(before[2])
    size = float(np.linalg.norm(shift) / spread) if spread > 0 else 0.0
    total = float(weights @ (moves**2).sum(axis=1) / weights.sum())
    return np.asarray(shift, np.float32), size, float((shift**2).sum() / total) if total > 0 else 0.0


def _sums(features: Float32, labels: Int64, classes: int) -> tuple[Float64, Float64, float]:
    """Patches (classes,), means (classes, d), and the mean squared distance to the mean of the own class."""
    held = labels >= 0
    counts = np.bincount(labels[held], minlength=classes).astype(np.float64)
    sums = np.zeros((classes, features.shape[1]))
    for k in np.flatnonzero(counts):
        sums[k] = features[labels == k].sum(axis=0, dtype=np.float64)
    means = sums / np.maximum(counts, 1)[:, None]
    squares = float((features[held].astype(np.float64) ** 2).sum()) - float((counts[:, None] * means**2).sum())
    return counts, means, max(0.0, squares) / max(1.0, counts.sum())

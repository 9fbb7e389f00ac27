"""What light makes of class maps: those of the same images with the drift of features in them, and without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_ERRORS = 2.0  # standard errors of a sample of maps


@dataclass(frozen=True, slots=True)
class LightEffect:
    """What the drift makes of the second date's maps."""

    moves: Float64
    """(classes, classes) shares of pixels by their class without the drift (rows) and with it (columns)."""
    error: Float64
    """(classes,) standard error of `by_light`, of a sample of maps."""
    unevenness: float
    """How much more or less light can make than the drift that classes share: see `FeatureDrift`."""
    known: bool = True
    """False where no map could be made again: light could make anything then."""
    either_way: bool = False
    """Whether as much could be made in the other direction: see `range`."""

    @property
    def by_light(self) -> Float64:
        """(classes,) difference of cover that the drift alone makes."""
        return np.asarray(self.moves.sum(axis=0) - self.moves.sum(axis=1))

    @property
    def range(self) -> tuple[Float64, Float64]:
        """(classes,) least and most difference that light could make, from nothing to more than the common drift.

        Light moves each class by itself as well, bright ones further than dark ones: by `unevenness` of the drift that
        they share, whose effect is taken to be larger by as much.

        Networks see every pixel with what lies around it: beside ground that changed, maps of the rest differ in other
        ways than where nothing did, by about as much. What ground that did not change tells is therefore taken to be
        possible in both directions.
        """
        found = self.by_light
        reach = np.abs(found) * self.unevenness + _ERRORS * self.error
        if self.either_way:
            return -np.abs(found) - reach, np.abs(found) + reach
        return np.minimum(0, found - reach), np.maximum(0, found + reach)

    @property
    def most_moves(self) -> Float64:
        """`moves`, larger by as much as classes move by themselves."""
        return self.moves * (1 + self.unevenness)


def anything(classes: int) -> LightEffect:
    """Where nothing is known of it: light could turn all of every class into every other."""
    return LightEffect(np.ones((classes, classes)), np.full(classes, 1 / _ERRORS), 0.0, known=False)


def light_effect(counts: Sequence[Int64], unevenness: float, *, either_way: bool = False) -> LightEffect:
    """What the drift makes of maps, from those of a sample.

    Args:
        counts: of every map (classes, classes) pixels by their class without the drift (rows) and with it.
        unevenness: of the drift.
        either_way: see `LightEffect`.
    """
    maps = np.array(counts, np.float64)
    total = maps.sum()
    moves = maps.sum(axis=0) / max(total, 1.0)
    found = moves.sum(axis=0) - moves.sum(axis=1)
    # the error of a ratio of sums (Cochran 1977, equation 2.39)
    own = maps.sum(axis=1) - maps.sum(axis=2) - maps.sum(axis=(1, 2))[:, None] * found
    few = len(maps) / max(1, len(maps) - 1)
    error = np.sqrt(few * (own**2).sum(axis=0)) / max(total, 1.0)
    return LightEffect(moves, error, unevenness, either_way=either_way)

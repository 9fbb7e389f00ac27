"""Whether a class lies at the same place of every frame: corners of a lens, a housing, an instrument."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_CELLS = 8  # along each side of a frame
_IMAGES = 8  # from which on it can be told
_EXPLAINED, _COVERED, _HELD = 0.75, 0.25, 0.5


class FramePlaces:
    """Counts where in the frame classes lie while images pass by; memory does not grow with their number."""

    def __init__(self, classes: int) -> None:
        self._images = np.zeros(_CELLS**2, np.int64)
        self._sums, self._squares = (np.zeros((classes, _CELLS**2)) for _ in range(2))
        self._holding = np.zeros(classes, np.int64)

    def add(self, rows: Float64, cols: Float64, classes: Int64) -> None:
        """Count the patches of an image.

        Args:
            rows: (m,) of their middles, 0 to 1 from top to bottom of the frame.
            cols: (m,) from left to right.
            classes: (m,) negative: none, but there is image.
        """
        most = _CELLS - 1
        cells = (rows * _CELLS).astype(np.int64).clip(0, most) * _CELLS + (cols * _CELLS).astype(np.int64).clip(0, most)
        patches = np.bincount(cells, minlength=_CELLS**2)
        held = np.zeros(self._sums.shape)
        np.add.at(held, (classes[classes >= 0], cells[classes >= 0]), 1)
        shares = held / np.maximum(patches, 1)
        self._images += patches > 0
        self._sums += shares
        self._squares += shares**2
        self._holding += held.any(axis=1)

    def explained(self) -> Float64:
        """For each class (classes,) how much of the variance of its share in cells of frames is that between places.

        1: the same in every frame; 0: anywhere. NaN for a class that is in no frame, or fills all of them alike.
        """
        seen = self._images > 0
        count = self._images[seen]
        means, squares = self._sums[:, seen] / count, self._squares[:, seen] / count
        middle = means.mean(axis=1, keepdims=True) if seen.any() else means
        between, whole = ((means - middle) ** 2).mean(axis=1), (squares - middle**2).mean(axis=1)
        known = whole > 1e-9
        return np.where(known, between / np.where(known, whole, 1), np.nan)

    def fixed(self) -> list[int]:
        """The classes that lie at the same place of every frame.

        Their place explains three quarters of where they are, in at least half of eight frames or more, and they cover
        at most a quarter of these: what covers more (water above sand) lies somewhere by its nature.
        """
        seen = self._images > 0
        images = int(self._images.max(initial=0))
        if images < _IMAGES:
            return []
        covered = (self._sums[:, seen] / self._images[seen]).mean(axis=1)
        wanted = (self.explained() >= _EXPLAINED) & (covered <= _COVERED) & (self._holding >= _HELD * images)
        return np.flatnonzero(wanted).tolist()

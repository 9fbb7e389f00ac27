"""Legend of a map: names and colors of clusters, which are shown as one, which are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segpipe.base.files import digest
from segpipe.records.palette import class_colors, nodata

Mask = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Legend:
    """The classes of a map, made of clusters."""

    names: tuple[str, ...]
    """One per class, unique."""
    colors: npt.NDArray[np.uint8]
    """(classes, 3) RGB."""
    classes_of: npt.NDArray[np.int64]
    """(clusters,) the class each cluster belongs to, or -1 where it is left out of the map."""
    named: bool = True
    """Whether a person said what they are called."""

    def __post_init__(self) -> None:
        count = len(self.names)
        if len(set(self.names)) != count:
            raise ValueError(f"names of classes must be unique, got {self.names}")
        if self.colors.shape != (count, 3):
            raise ValueError(f"{count} classes need ({count}, 3) colors, got {self.colors.shape}")
        if self.classes_of.ndim != 1 or ((self.classes_of < -1) | (self.classes_of >= count)).any():
            raise ValueError(f"clusters must belong to classes below {count}, or to -1")

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.names)

    @property
    def clusters_of(self) -> list[list[int]]:
        """Of each class the clusters that it is made of, ascending."""
        return [np.flatnonzero(self.classes_of == k).tolist() for k in range(self.classes)]

    @property
    def fingerprint(self) -> str:
        """Of names, colors and clusters: whether two things speak of the same classes."""
        return digest([self.names, self.colors.tolist(), self.classes_of.tolist()])

    @property
    def nodata(self) -> int:
        """The value of pixels without a class."""
        return nodata(self.classes)

    def read(self, mask: Mask) -> Mask:
        """The classes of a mask of clusters.

        Args:
            mask: (H, W) clusters, or `nodata` of their number.

        Returns:
            (H, W) classes, or `self.nodata`: uint8, or uint16 beyond 255 classes.
        """
        clusters, dtype = len(self.classes_of), np.uint8 if self.nodata == 255 else np.uint16
        table = np.full(nodata(clusters) + 1, self.nodata, dtype)
        table[:clusters] = np.where(self.classes_of < 0, self.nodata, self.classes_of)
        return np.asarray(table[mask])


def plain_legend(clusters: int) -> Legend:
    """Every cluster a class of its own, without a name that says what it is.

    >>> plain_legend(2).names
    ('class 0', 'class 1')
    """
    return Legend(
        tuple(f"class {k}" for k in range(clusters)), class_colors(clusters), np.arange(clusters), named=False
    )


def guided_legend(names: Sequence[str], clusters: int) -> Legend:
    """Every cluster a class of its own, called as the label that steered it; the others by their numbers.

    Args:
        names: of the clusters, empty where no label steered one; clusters beyond them have none.
        clusters: how many there are.

    >>> guided_legend(("sand", ""), 2).names
    ('sand', 'class 1')
    """
    taken = {name for name in names if name}
    given = [*names, *[""] * clusters][:clusters]
    plain = [f"cluster {k}" if f"class {k}" in taken else f"class {k}" for k in range(clusters)]
    called = tuple(name or plain[k] for k, name in enumerate(given))
    return Legend(called, class_colors(clusters), np.arange(clusters))

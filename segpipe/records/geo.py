"""Georeference of an image, as its file says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Geo:
    """The coordinates of a raster's pixels."""

    crs: str
    """Coordinate reference system as WKT; empty where the file names none."""
    transform: tuple[float, float, float, float, float, float]
    """a to f of x = a col + b row + c, y = d col + e row + f; (0, 0) is the outer corner of the upper left pixel."""

    def __post_init__(self) -> None:
        a, b, _, d, e, _ = self.transform
        if a * e == b * d:
            raise ValueError(f"transform {self.transform} maps pixels onto a line")

    def at(self, row: float, col: float) -> tuple[float, float]:
        """World coordinates (x, y) of a place in the raster.

        >>> Geo("", (0.5, 0, 100, 0, -0.5, 200)).at(2, 4)
        (102.0, 199.0)
        """
        a, b, c, d, e, f = self.transform
        return a * col + b * row + c, d * col + e * row + f

"""One view of an image of many channels: three of them, or three sums of them, for a network of photographs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BandView:
    """Red, green and blue of 8-bit channels: `offset + weights @ channels`, rounded and clipped to 8 bits."""

    name: str
    """For people: `B08+B04+B03`, `pca`."""
    weights: tuple[Row, Row, Row]
    """Each (channels,)."""
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        lengths = {len(row) for row in self.weights}
        if len(self.weights) != 3 or len(self.offset) != 3 or len(lengths) != 1 or lengths == {0}:
            raise ValueError(f"a view has three rows of weights of one length and three offsets: {self}")

    @property
    def chosen(self) -> list[int] | None:
        """The three channels that it is, where it only chooses; else None."""
        found = [row.index(1.0) for row in self.weights if row.count(0.0) == len(row) - 1 and 1.0 in row]
        return found if len(found) == 3 and self.offset == (0.0, 0.0, 0.0) else None


def choosing(name: str, places: tuple[int, int, int], channels: int) -> BandView:
    """The view of three of the channels, by their places.

    >>> choosing("B08+B04+B03", (3, 0, 1), 4).chosen
    [3, 0, 1]
    """
    rows = [tuple(float(i == place) for i in range(channels)) for place in places]
    return BandView(name, (rows[0], rows[1], rows[2]))


def band_view_of(row: Mapping[str, Any]) -> BandView:
    """The view of its fields as JSON values.

    Raises:
        ValueError, KeyError, TypeError: they are none.
    """
    a, b, c = (tuple(float(value) for value in weights) for weights in row["weights"])
    red, green, blue = (float(value) for value in row["offset"])
    return BandView(str(row["name"]), (a, b, c), (red, green, blue))

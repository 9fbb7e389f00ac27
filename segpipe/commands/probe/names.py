"""What a probe of images measures, and what it does to them beside the common table: the names of both."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from segpipe.records.finding import Finding

CENTER, CENTER_INNER, CORNERS = "center share", "center share without seams", "corner share"
DISTANCE = "distance from center"
SHARP = "share of the sharp half"
DRAWN, BESIDE, LEFT, GAIN = "drawn", "map overlap beside it", "share left beside it", "gained by cropping"
OVERLAP, CORRELATION, CHANGE = "map overlap", "map correlation", "map change"
PATCH, PATCH_INNER, FOUND = "patch cosine", "patch cosine without seams", "patches found again"
PICTURE, AGAIN = "picture cosine", "picture found again"

ENDS = {
    **dict.fromkeys((CENTER, CENTER_INNER, CORNERS, SHARP, BESIDE, OVERLAP, FOUND, AGAIN), (0.0, 1.0)),
    **dict.fromkeys((CORRELATION, PATCH, PATCH_INNER, PICTURE, GAIN), (-1.0, 1.0)),
    **dict.fromkeys((DISTANCE, DRAWN, LEFT, CHANGE), (0.0, math.inf)),
}
"""The least and the most that each measure can be."""

ROLL, ALL_ROLLS, HALF_BLUR, CROP, ANOTHER = "roll", "all-rolls", "half-blur", "crop", "another-picture"


def in_strip(name: str) -> str:
    """What an artefact is called where it is put into a strip.

    >>> in_strip("text")
    'text-strip'
    """
    return f"{name}-strip"


HOT = 5.0
"""A place that is looked at so many times as much as by an even map is a hot spot."""


def hot_spots(by_place: npt.NDArray[np.float64]) -> tuple[int, float]:
    """How many places draw a map whatever lies there, and what share of all of it they hold together.

    Args:
        by_place: (side, side), in multiples of an even map, the mean over rolls and images.
    """
    hot = by_place >= HOT
    return int(hot.sum()), float(by_place[hot].sum() / by_place.size)


class FindingTable:
    """Findings by what they are of."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Those without a value are left out."""
        self._by = {(f.disturbance, f.measure, f.level): f for f in findings if f.value is not None}

    def get(self, disturbance: str, measure: str, level: float) -> Finding | None:
        """One of them, if it was measured."""
        return self._by.get((disturbance, measure, level))

    def levels(self, disturbance: str, measure: str) -> list[Finding]:
        """All levels of a measure, weakest first."""
        return [found for (name, what, _), found in self._by.items() if (name, what) == (disturbance, measure)]

    def strongest(self, disturbance: str, measure: str) -> Finding | None:
        """At the strongest level, if it was measured."""
        found = self.levels(disturbance, measure)
        return found[-1] if found else None

    def disturbances(self, measure: str) -> list[str]:
        """Those that were measured so, in their order."""
        return list(dict.fromkeys(name for name, what, _ in self._by if what == measure))

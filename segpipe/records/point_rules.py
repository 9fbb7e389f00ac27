"""Point rules: how a table of labelled points is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

PointsIn = Literal["auto", "displayed", "stored"]

_LATER: Mapping[str, object] = {"skip_outside": False, "points_in": "auto"}
"""Settings of points that earlier versions did not have, at what these did: then they are no part of a stage's key."""


@dataclass(frozen=True, slots=True)
class PointRules:
    """How a table of points is read."""

    skip_outside: bool = False
    """Points outside their image are left out, not refused."""
    points_in: PointsIn = "auto"
    """Which picture rows and columns are counted in, where an EXIF orientation turns it: as displayed, or as stored."""
    option: str = ""
    """Name of the option or setting `skip_outside`, for messages; empty where there is none."""


def without_later(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What a stage's key is made of, as earlier versions made it where the later settings say what these did."""
    return {name: value for name, value in identity.items() if name not in _LATER or value != _LATER[name]}

"""What a camera wrote into a photograph besides the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segpipe.base.errors import MachineError
from segpipe.images.decoding import decoding
from segpipe.images.headers import Container
from segpipe.images.photographs import open_photograph

_GPS = 0x8825  # the tag of the GPS block; within it 1 to 4 are N or S, latitude, E or W, longitude (EXIF 2.32, 4.6.6)


def read_gps(path: Path, container: Container) -> tuple[float, float] | None:
    """Latitude and longitude of the camera in degrees; None where the photograph does not say, or says nonsense."""
    if container.kind not in ("JPEG", "PNG", "TIFF", "WEBP"):
        return None
    try:
        with decoding(path), open_photograph(path, container) as image:
            return place(image.getexif().get_ifd(_GPS))
    except MachineError:
        raise
    except Exception:  # a damaged note beside a good picture is no reason to lose the picture
        return None


def place(block: Mapping[int, Any]) -> tuple[float, float] | None:
    """Latitude and longitude of a GPS block as Pillow gives it.

    >>> place({1: "S", 2: (16.0, 30.0, 0.0), 3: "E", 4: (145.0, 45.0, 0.0)})
    (-16.5, 145.75)
    """
    found = []
    for letter, angle, negative, most in ((1, 2, "S", 90), (3, 4, "W", 180)):
        if letter not in block or angle not in block:
            return None
        parts = [float(part) for part in block[angle]]
        degrees = sum(part / 60**i for i, part in enumerate(parts[:3]))
        sign = -1 if str(block[letter]).strip("\0 ").upper() == negative else 1
        if not math.isfinite(degrees) or not 0 <= degrees <= most:
            return None
        found.append(sign * degrees)
    return None if found == [0, 0] else (found[0], found[1])  # cameras without a fix write zeros

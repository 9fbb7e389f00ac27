"""Certainty of a whole image, as `refine` asks for it tile by tile."""

from __future__ import annotations

from segpipe.base.geometry import Size
from segpipe.ops.maps.certainty import Float32, Map, certainty_at
from segpipe.ops.maps.segment import places


def certainty_pixels(probabilities: Float32, image: Size, *, strip: int = 1 << 22) -> tuple[Map, Map]:
    """Margin and entropy (H, W) of every pixel of an image of this size, from probabilities (h, w, K) of a canvas."""
    return certainty_at(probabilities, *places(probabilities, image), strip=strip)

"""A camera that swims along a drawn reef: the frames of a video, each with its labels."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Size
from segpipe.ops.drawing.reef import reef_scene

Bytes = npt.NDArray[np.uint8]

SIZE = Size(240, 320)

_STEP = 12  # pixels from frame to frame
_SWAY = 10  # pixels up and down


def swim(rng: np.random.Generator, frames: int, size: Size = SIZE) -> Iterator[tuple[Bytes, Bytes]]:
    """Two swims of half the frames each, along two reefs, with a cut between them.

    The camera moves by whole pixels, so labels are exact in every frame.

    Yields:
        Frame (H, W, 3) RGB and labels (H, W), values index `reef.CLASSES`.
    """
    first = frames // 2
    for count in (first, frames - first):
        wide = Size(size.height + 2 * _SWAY, size.width + _STEP * count)
        rgb, labels = reef_scene(rng, wide)
        for i in range(count):
            top = round(_SWAY * (1 + math.sin(math.tau * i / 25)))
            part = (slice(top, top + size.height), slice(_STEP * i, _STEP * i + size.width))
            yield np.ascontiguousarray(rgb[part]), np.ascontiguousarray(labels[part])

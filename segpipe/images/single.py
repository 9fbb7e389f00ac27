"""Read images that belong to no corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segpipe.images.decoding import allow_pixels
from segpipe.images.headers import BadImage, inspect
from segpipe.images.readers import Pixels, probe_image, read_image, sample_values
from segpipe.images.views import find_view

MAX_PIXELS = 200_000_000
"""Larger images are refused before they are decoded."""

_TAILS = (0.5, 99.5)
_SAMPLED_VALUES = 20_000


def read_single(path: Path) -> Pixels:
    """Decode one image of any common kind to 8-bit RGB as displayed.

    Samples deeper than 8 bits are scaled by the image's own percentiles 0.5 and 99.5: fit for looking at one image,
    not for comparing the brightness of two.

    Raises:
        BadImage: missing, empty, of another format, truncated, damaged, too large, or without one valid pixel.
    """
    container = inspect(path)
    size = container.size
    if size.height * size.width > MAX_PIXELS:
        raise BadImage(
            path, f"{size.width} x {size.height} pixels are more than {MAX_PIXELS // 10**6} million; make it smaller"
        )
    allow_pixels(size)
    if not container.raster:
        pixels = read_image(path, depth="uint8", scaling={})
    else:
        view = find_view(path, container, (), any_band=False).view
        depth = probe_image(path, max_pixels=MAX_PIXELS, view=view).depth
        scaling = {}
        if depth != "uint8":
            values = sample_values(path, count=_SAMPLED_VALUES, rng=np.random.default_rng(0), view=view)
            low, high = (float(value) for value in np.percentile(values, _TAILS)) if len(values) else (0.0, 1.0)
            scaling = {depth: (low, high if high > low else low + 1.0)}
        pixels = read_image(path, depth=depth, scaling=scaling, view=view)
    if pixels.valid is not None and not pixels.valid.any():
        raise BadImage(path, "no pixel holds image: all are transparent, no data or NaN")
    return pixels

"""Which images of one depth share a scale: those whose values are of one order of magnitude."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from segpipe.records.corpus import Image

_APART = 10.0
"""Values more than this many times larger than the next smaller ones have a scale of their own."""
_LITTLE = 0.02
"""Share of its scale below which an image is five gray levels or fewer."""

Limits = tuple[float, float]
NONE_SETTLED: Mapping[str, Limits] = {}


def group_scales(images: Sequence[Image], settled: Mapping[str, Limits] = NONE_SETTLED) -> list[Image]:
    """The images, those whose scale is not that of their depth with its name in their view.

    Where scales are settled, as kept classes were found with them, each image has the nearest of its depth.

    Images of one depth are put in the order of their largest absolute values, and parted wherever one is more than ten
    times the one before. The largest group keeps the scale of the depth.
    """
    named: dict[str, str] = {}
    held = {name.partition("~")[0] for name in settled}
    images = [with_scale(image, settled) if image.depth in held else image for image in images]
    for depth in sorted({image.depth for image in images} - {"uint8"} - held):
        sized = sorted((size, image.id) for image in images if image.depth == depth and (size := _size(image)))
        groups: list[list[str]] = []
        last = math.inf
        for size, id_ in sized:
            if size > _APART * last or not groups:
                groups.append([])
            groups[-1].append(id_)
            last = size
        largest_first = sorted(groups, key=lambda group: (-len(group), group[0]))
        named |= {id_: f"{depth}~{n}" for n, group in enumerate(largest_first[1:], 2) for id_ in group}
    return [
        image if image.depth in held else replace(image, view=replace(image.view, scale=named.get(image.id, "")))
        for image in images
    ]


def with_scale(image: Image, scaling: Mapping[str, Limits]) -> Image:
    """An image that belongs to no corpus, with the scale of a corpus whose values are nearest to its own."""
    own = [name for name in scaling if name.split("~")[0] == image.depth]
    size = _size(image)
    if len(own) < 2 or not size:
        return image
    nearest = min(own, key=lambda name: abs(math.log(size / (max(map(abs, scaling[name])) or 1.0))))
    return replace(image, view=replace(image.view, scale="" if nearest == image.depth else nearest))


def told_of_scale(image: Image, scaling: Mapping[str, Limits]) -> Image:
    """The image with a note where it has a scale that is not all images', or uses next to nothing of its scale."""
    if image.depth == "uint8" or image.levels is None or image.view.channels:
        return image
    name = image.view.scale or image.depth
    (low, high), (first, last) = scaling[name], image.levels
    notes = []
    if len([other for other in scaling if other.split("~")[0] == image.depth]) > 1:
        notes.append(
            f"values of {low:.4g} to {high:.4g} have a scale of their own: others are ten times larger or smaller"
        )
    if 0 < last - first < _LITTLE * (high - low):
        notes.append(f"values that use less than {_LITTLE:.0%} of the scale that images share, {low:.4g} to {high:.4g}")
    return replace(image, notes=(*image.notes, *notes))


def _size(image: Image) -> float:
    """The largest absolute value; 0 where all are the same, or none is known."""
    low, high = (0.0, 0.0) if image.levels is None or image.view.channels else image.levels
    return max(abs(low), abs(high)) if high > low else 0.0

"""Decide which channels an image has and how its samples are looked at, once, when it is indexed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from segpipe.images.band_math import parse_formula
from segpipe.images.container import Container
from segpipe.images.decoding import decoding
from segpipe.images.headers import BadImage
from segpipe.images.stack_plan import StackPlan
from segpipe.images.stacks import display_of, find_band, open_layers, open_view
from segpipe.images.views import ViewFound, find_view
from segpipe.records.corpus import Image, Rejected
from segpipe.records.view import View

_LOOKED_AT = "are looked at as"


def find_stack(
    path: Path, container: Container, plan: StackPlan, layers: tuple[str, ...], *, any_band: bool, mosaic: bool = False
) -> ViewFound:
    """Find the channels that the settings mean in an image, and what its first file says of missing pixels.

    Args:
        path: the image's own file.
        container: what its header says.
        plan: bands, formulas and rules.
        layers: the files that hold its bands, see `View.layers`.
        any_band: whether one band without data is enough for a pixel to be no image.
        mosaic: whether it is to be read piece by piece.

    Raises:
        BadImage: a file cannot be used, or bands that are asked for are missing.
    """
    view = View(any_band=any_band, math=tuple(parse_formula(text).text for text in plan.math), layers=layers)
    with decoding(path), ExitStack() as opening:
        opened = open_layers(opening, path, container, view)
        asked = [str(band) for band in plan.bands]
        for layer, entry in zip(opened, layers or ("=",), strict=True):
            beside = not entry.endswith("=") and not plan.files
            if not plan.bands or (beside and not {name.casefold() for name in layer.names} & _folded(asked)):
                asked += [layer.names[place] for place in layer.image]
        formulas = [parse_formula(text) for text in view.math]
        asked += [formula.name for formula in formulas if formula.name.casefold() not in _folded(asked)]
        if len(_folded(asked)) < len(asked):
            raise BadImage(path, f"its channels {', '.join(asked)} are not all called differently; name index.bands")
        view = replace(view, channels=tuple(asked))
        computed = {formula.name.casefold() for formula in formulas}
        needed = [name for name in asked if name.casefold() not in computed]
        needed += [name for formula in formulas for name in formula.inputs]
        places = [find_band(name, opened) for name in needed]
        first = sorted({place + 1 for layer, place in places if layer == 0})
    found = ViewFound()
    if container.raster and first:
        found = find_view(path, container, first, any_band=any_band, mosaic=mosaic)
        view = replace(found.view, bands=(), channels=view.channels, math=view.math, layers=layers)
    with decoding(path), open_view(path, container, view):
        pass  # sees that all files show the same
    shown = [asked[i] for i in display_of(asked)]
    note = f"channels {', '.join(asked)}; shown as red, green, blue: {', '.join(shown)}"
    return ViewFound(view, (note, *(told for told in found.notes if _LOOKED_AT not in told)))


def alike(images: Sequence[Image]) -> tuple[list[Image], list[Rejected]]:
    """The images that have the channels that most have, and those that have others, with the reason."""
    counts = Counter(image.view.channels for image in images)
    most = max(counts, key=lambda channels: counts[channels]) if counts else ()
    others = [
        Rejected(image.path, f"has channels {', '.join(image.view.channels)} where most have {', '.join(most)}")
        for image in images
        if image.view.channels != most
    ]
    return [image for image in images if image.view.channels == most], others


def _folded(names: list[str]) -> set[str]:
    return {name.casefold() for name in names}

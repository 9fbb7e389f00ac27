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
from segpipe.images.layers import BandLayer
from segpipe.images.stack_plan import StackPlan
from segpipe.images.stacks import display_of, find_band, make_stack, open_layers
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
        try:
            opened = open_layers(opening, path, container, view)
            channels, inputs = _names(opened, plan, view)
            first = sorted({place + 1 for layer, place in (find_band(name, opened) for name in inputs) if layer == 0})
            make_stack(opened, replace(view, channels=channels))
        except ValueError as error:  # what was asked for is not there; the file is none the worse
            raise BadImage(path, str(error)) from error
    found = ViewFound()
    if container.raster and first:
        found = find_view(path, container, first, any_band=any_band, mosaic=mosaic)
    view = replace(found.view, any_band=any_band, bands=(), channels=channels, math=view.math, layers=layers)
    shown = [channels[i] for i in display_of(channels)]
    note = f"channels {', '.join(channels)}; shown as red, green, blue: {', '.join(shown)}"
    return ViewFound(view, (note, *(told for told in found.notes if _LOOKED_AT not in told)))


def _names(layers: Sequence[BandLayer], plan: StackPlan, view: View) -> tuple[tuple[str, ...], list[str]]:
    """What the channels are called, in order, and the bands that are read for them.

    These are the bands that the settings name, or all; those of files beside the image, and formulas, that they do not
    name come last. A ValueError where two are called alike.
    """
    asked = [str(band) for band in plan.bands]
    for layer, entry in zip(layers, view.layers or ("=",), strict=True):
        beside = not entry.endswith("=") and not plan.files
        if not plan.bands or (beside and not _folded(layer.names) & _folded(asked)):
            asked += [layer.names[place] for place in layer.image]
    formulas = [parse_formula(text) for text in view.math]
    asked += [formula.name for formula in formulas if formula.name.casefold() not in _folded(asked)]
    if len(_folded(asked)) < len(asked):
        raise ValueError(f"its channels {', '.join(asked)} are not all called differently; name some by index.bands")
    computed = {formula.name.casefold() for formula in formulas}
    stored = [name for name in asked if name.casefold() not in computed]
    return tuple(asked), stored + [name for formula in formulas for name in formula.inputs]


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


def _folded(names: Sequence[str]) -> set[str]:
    return {name.casefold() for name in names}

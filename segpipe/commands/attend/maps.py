"""Pictures go in, what backbones look at in them comes out, in order and in batches."""

from __future__ import annotations

import colorsys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Grid, Size, plan_grid
from segpipe.images.sources import Source, View
from segpipe.inference.backbone_maps import Looker, Maps, relative
from segpipe.ops.maps import upsample_maps as maps_ops
from segpipe.ops.maps.crops import Cut, cut
from segpipe.plots.heatmap import tint
from segpipe.records.corpus import Rejected

Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Rgb = npt.NDArray[np.uint8]

COLORS = "colors"
"""The picture of all heads in colors, beside the maps of single heads."""

_SAMPLES = 16
_QUANTILE = 0.99


@dataclass(frozen=True, slots=True)
class Look:
    """What one backbone looks at in one picture."""

    looker: Looker
    grid: Grid
    valid: Bools
    """(rows, cols): the patch shows image."""
    maps: Maps


def look_at(
    entries: Iterable[View | Rejected], lookers: Sequence[Looker], *, side: int, batch: int
) -> Iterator[tuple[View, list[Look]] | Rejected]:
    """Every picture with its looks, one per backbone; what was put aside passes through.

    At most `batch` pictures are held; those of one shape among them go through a network together.

    Args:
        entries: pictures in order.
        lookers: backbones.
        side: pixels of a side of a square picture as the network sees it; other shapes get about its area.
        batch: pictures at once.
    """
    entries = iter(entries)
    while held := list(islice(entries, batch)):
        views = [entry for entry in held if isinstance(entry, View)]
        looks = [look_batch(views, looker, side=side) for looker in lookers]
        found = iter(zip(views, map(list, zip(*looks, strict=True)), strict=True))
        for entry in held:
            yield entry if isinstance(entry, Rejected) else next(found)


def look_batch(views: Sequence[View], looker: Looker, *, side: int) -> list[Look]:
    """What one backbone looks at in some pictures of any shapes."""
    grids = [plan_grid(view.size, side=side, patch=looker.patch) for view in views]
    groups: dict[tuple[int, ...], list[Cut]] = defaultdict(list)
    for row, (view, grid) in enumerate(zip(views, grids, strict=True)):
        whole = Box(0, 0, view.size.height, view.size.width)
        item = cut(view.rgb, view.valid, whole, grid, row=row, flip=False)
        groups[item.rgb.shape].append(item)
    found: dict[int, Look] = {}
    for group in groups.values():
        for item, maps in zip(group, looker.look(np.stack([item.rgb for item in group])), strict=True):
            found[item.row] = Look(looker, grids[item.row], item.valid, maps)
    return [found[row] for row in range(len(views))]


# --- from values to strengths ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scale:
    """Which values are drawn as nothing and as full strength."""

    tops: Mapping[tuple[str, str], float] | float | None = None
    """In multiples of an even map: by backbone and map, or one for all; None: every map from its least to its largest
    value."""

    def limits(self, look: Look, name: str) -> tuple[float, float]:
        """The values, in multiples of an even map, that become strength 0 and 1."""
        if self.tops is None:
            values = relative(look.maps[name], look.looker.kind)[look.valid]
            return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        return 0.0, self.tops if isinstance(self.tops, float) else self.tops[look.looker.backbone, name]


def shared_scale(source: Source, lookers: Sequence[Looker], *, side: int, batch: int) -> Scale:
    """One scale for all pictures of a source: brightness means the same in all of them, and a video does not flicker.

    Of 16 pictures spread over the source, the quantile 0.99 of a map's values becomes full strength.
    """
    values: dict[tuple[str, str], list[Float32]] = defaultdict(list)
    for entry in look_at(source.sample(_SAMPLES), lookers, side=side, batch=batch):
        if isinstance(entry, tuple):
            for look in entry[1]:
                for name, patches in look.maps.items():
                    values[look.looker.backbone, name].append(relative(patches, look.looker.kind)[look.valid])
    keys = [(looker.backbone, name) for looker in lookers for name in looker.maps]
    pooled = {key: np.concatenate(values[key]) if values[key] else np.ones(1, np.float32) for key in keys}
    return Scale({key: float(np.quantile(found, _QUANTILE)) if found.size else 1.0 for key, found in pooled.items()})


@dataclass(frozen=True, slots=True)
class Drawing:
    """How maps are drawn."""

    table: Rgb
    """(256, 3) RGB: the color map."""
    scale: Scale
    nearest: bool = False
    """Patches as squares."""
    threshold: float | None = None
    """Share of the mass that is kept."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A map at the size of a picture."""

    strength: Float32
    """(H, W), 0 to 1."""
    paint: Rgb
    """(H, W, 3): the same in colors."""
    kept: Bools | None
    """(H, W): what the threshold keeps; None without one."""


def map_names(looker: Looker) -> tuple[str, ...]:
    """What can be drawn of a backbone's looks: its maps, and the heads in colors behind their mean."""
    if looker.kind == "activation":
        return looker.maps
    return ("mean", COLORS, *(name for name in looker.maps if name != "mean"))


def head_colors(looker: Looker) -> Rgb:
    """The colors (heads, 3) of a backbone's heads: all of full brightness, hues spread evenly, blue first."""
    count = len(looker.heads)
    hues = [(0.6 + i / max(1, count)) % 1 for i in range(count)]
    return np.array([[round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.85, 1)] for hue in hues], np.uint8)


def values_of(view: View, look: Look, name: str, out: Size, *, nearest: bool, unit: Literal["raw", "even"]) -> Float32:
    """A map at a size of the picture's shape, 0 where there is no image.

    Args:
        view: the picture.
        look: what was seen in it.
        name: of a map.
        out: the size wanted.
        nearest: patches as squares.
        unit: the backbone's own values, or multiples of an even map.

    Returns:
        (out.height, out.width) float32.
    """
    patches = look.maps[name] if unit == "raw" else relative(look.maps[name], look.looker.kind)
    pixels = maps_ops.to_pixels(patches, look.grid, out, nearest=nearest)
    valid = _valid_at(view, out)
    if valid is not None:
        pixels[~valid] = 0
    return pixels


def draw_map(view: View, look: Look, name: str, drawing: Drawing, out: Size) -> Drawn:
    """One map of a look at a size of the picture's shape."""
    read = partial(values_of, view, look, out=out, nearest=drawing.nearest, unit="even")
    valid = _valid_at(view, out)

    def strength_of(name: str, pixels: Float32) -> Float32:
        strength = maps_ops.between(pixels, *drawing.scale.limits(look, name))
        if valid is not None:
            strength[~valid] = 0
        return strength

    def kept_of(pixels: Float32) -> Bools | None:
        return None if drawing.threshold is None else maps_ops.keep_mass(pixels, drawing.threshold, valid)

    if name == COLORS:
        strengths = [strength_of(head, read(head)) for head in look.looker.heads]
        paint = maps_ops.mix_heads(strengths, head_colors(look.looker))
        kept = kept_of(read("mean")) if drawing.threshold is not None else None
        return Drawn(np.sqrt(np.maximum.reduce(strengths)), paint, kept)
    pixels = read(name)
    strength = strength_of(name, pixels)
    paint = tint(strength, drawing.table)
    if valid is not None:
        paint[~valid] = 0
    return Drawn(strength, paint, kept_of(pixels))


def _valid_at(view: View, out: Size) -> Bools | None:
    if view.valid is None or view.size == out:
        return view.valid
    y, x = (
        ((np.arange(n) + 0.5) * m / n).astype(np.intp)
        for n, m in ((out.height, view.size.height), (out.width, view.size.width))
    )
    return np.asarray(view.valid[y[:, None], x])

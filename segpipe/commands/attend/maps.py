"""Images to attention maps of backbones, in order and in batches; maps to pixels and colors."""

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
from segpipe.images.sources import MediaSource, SourceImage
from segpipe.inference.backbone_view import BackboneView, Maps, relative_to_uniform
from segpipe.ops.maps import upsample_maps
from segpipe.ops.maps.crops import Cut, cut
from segpipe.plots.heatmap import tint
from segpipe.records.corpus import Rejected

Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Rgb = npt.NDArray[np.uint8]

COLORS = "colors"
"""The image of all heads in colors, beside the maps of single heads."""

_SAMPLES = 16
_QUANTILE = 0.99


@dataclass(frozen=True, slots=True)
class ImageMaps:
    """Maps of one backbone for one image."""

    view: BackboneView
    grid: Grid
    valid: Bools
    """(rows, cols): the patch shows image."""
    maps: Maps


def compute_maps(
    entries: Iterable[SourceImage | Rejected], views: Sequence[BackboneView], *, side: int, batch: int
) -> Iterator[tuple[SourceImage, list[ImageMaps]] | Rejected]:
    """Every image with its maps, one result per backbone; what was rejected passes through.

    At most `batch` images are held; those of one shape among them go through a network together.

    Args:
        entries: images in order.
        views: backbones.
        side: pixels of a side of a square image as the network sees it; other shapes get about its area.
        batch: images at once.
    """
    entries = iter(entries)
    while held := list(islice(entries, batch)):
        images = [entry for entry in held if isinstance(entry, SourceImage)]
        results = [compute_batch(images, view, side=side) for view in views]
        found = iter(zip(images, map(list, zip(*results, strict=True)), strict=True))
        for entry in held:
            yield entry if isinstance(entry, Rejected) else next(found)


def compute_batch(images: Sequence[SourceImage], view: BackboneView, *, side: int) -> list[ImageMaps]:
    """Maps of one backbone for some images of any shapes."""
    grids = [plan_grid(image.size, side=side, patch=view.patch) for image in images]
    groups: dict[tuple[int, ...], list[Cut]] = defaultdict(list)
    for row, (image, grid) in enumerate(zip(images, grids, strict=True)):
        whole = Box(0, 0, image.size.height, image.size.width)
        item = cut(image.rgb, image.valid, whole, grid, row=row, flip=False)
        groups[item.rgb.shape].append(item)
    found: dict[int, ImageMaps] = {}
    for group in groups.values():
        for item, maps in zip(group, view.attention_maps(np.stack([item.rgb for item in group])), strict=True):
            found[item.row] = ImageMaps(view, grids[item.row], item.valid, maps)
    return [found[row] for row in range(len(images))]


# --- from values to strengths ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scale:
    """Which values are drawn as nothing and as full strength."""

    tops: Mapping[tuple[str, str], float] | float | None = None
    """In multiples of an even map: by backbone and map, or one for all; None: every map from its least to its largest
    value."""

    def limits(self, result: ImageMaps, name: str) -> tuple[float, float]:
        """The values, in multiples of an even map, that become strength 0 and 1."""
        if self.tops is None:
            values = relative_to_uniform(result.maps[name], result.view.kind)[result.valid]
            return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        return 0.0, self.tops if isinstance(self.tops, float) else self.tops[result.view.name, name]


def shared_scale(source: MediaSource, views: Sequence[BackboneView], *, side: int, batch: int) -> Scale:
    """One scale for all images of a source: brightness means the same in all of them, and a video does not flicker.

    Of 16 images spread over the source, the quantile 0.99 of a map's values becomes full strength.
    """
    values: dict[tuple[str, str], list[Float32]] = defaultdict(list)
    for entry in compute_maps(source.sample(_SAMPLES), views, side=side, batch=batch):
        if isinstance(entry, tuple):
            for result in entry[1]:
                for name, patches in result.maps.items():
                    values[result.view.name, name].append(relative_to_uniform(patches, result.view.kind)[result.valid])
    keys = [(view.name, name) for view in views for name in view.maps]
    pooled = {key: np.concatenate(values[key]) if values[key] else np.ones(1, np.float32) for key in keys}
    return Scale({key: float(np.quantile(found, _QUANTILE)) if found.size else 1.0 for key, found in pooled.items()})


@dataclass(frozen=True, slots=True)
class RenderConfig:
    """How maps are drawn."""

    table: Rgb
    """(256, 3) RGB: the color map."""
    scale: Scale
    nearest: bool = False
    """Patches as squares."""
    threshold: float | None = None
    """Share of the mass that is kept."""


@dataclass(frozen=True, slots=True)
class RenderedMap:
    """A map at the size of an image."""

    strength: Float32
    """(H, W), 0 to 1."""
    paint: Rgb
    """(H, W, 3): the same in colors."""
    kept: Bools | None
    """(H, W): what the threshold keeps; None without one."""


def map_names(view: BackboneView) -> tuple[str, ...]:
    """What can be drawn of a backbone: its maps, and the heads in colors behind their mean."""
    if view.kind == "activation":
        return view.maps
    return ("mean", COLORS, *(name for name in view.maps if name != "mean"))


def head_colors(view: BackboneView) -> Rgb:
    """The colors (heads, 3) of a backbone's heads: all of full brightness, hues spread evenly, blue first."""
    count = len(view.heads)
    hues = [(0.6 + i / max(1, count)) % 1 for i in range(count)]
    return np.array([[round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.85, 1)] for hue in hues], np.uint8)


def map_pixels(
    image: SourceImage, result: ImageMaps, name: str, out: Size, *, nearest: bool, unit: Literal["raw", "even"]
) -> Float32:
    """A map at a size of the image's shape, 0 where there is no image.

    Args:
        image: that was seen.
        result: its maps.
        name: of a map.
        out: the size wanted.
        nearest: patches as squares.
        unit: the backbone's own values, or multiples of an even map.

    Returns:
        (out.height, out.width) float32.
    """
    patches = result.maps[name] if unit == "raw" else relative_to_uniform(result.maps[name], result.view.kind)
    pixels = upsample_maps.to_pixels(patches, result.grid, out, nearest=nearest)
    valid = _valid_at(image, out)
    if valid is not None:
        pixels[~valid] = 0
    return pixels


def render_map(image: SourceImage, result: ImageMaps, name: str, drawing: RenderConfig, out: Size) -> RenderedMap:
    """One map at a size of the image's shape."""
    read = partial(map_pixels, image, result, out=out, nearest=drawing.nearest, unit="even")
    valid = _valid_at(image, out)

    def strength_of(name: str, pixels: Float32) -> Float32:
        strength = upsample_maps.rescale(pixels, *drawing.scale.limits(result, name))
        if valid is not None:
            strength[~valid] = 0
        return strength

    def kept_of(pixels: Float32) -> Bools | None:
        return None if drawing.threshold is None else upsample_maps.keep_mass(pixels, drawing.threshold, valid)

    if name == COLORS:
        strengths = [strength_of(head, read(head)) for head in result.view.heads]
        paint = upsample_maps.mix_heads(strengths, head_colors(result.view))
        kept = kept_of(read("mean")) if drawing.threshold is not None else None
        return RenderedMap(np.sqrt(np.maximum.reduce(strengths)), paint, kept)
    pixels = read(name)
    strength = strength_of(name, pixels)
    paint = tint(strength, drawing.table)
    if valid is not None:
        paint[~valid] = 0
    return RenderedMap(strength, paint, kept_of(pixels))


def _valid_at(image: SourceImage, out: Size) -> Bools | None:
    if image.valid is None or image.size == out:
        return image.valid
    y, x = (
        ((np.arange(n) + 0.5) * m / n).astype(np.intp)
        for n, m in ((out.height, image.size.height), (out.width, image.size.width))
    )
    return np.asarray(image.valid[y[:, None], x])

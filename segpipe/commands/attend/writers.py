"""What is written of maps: a folder of maps and sheets per image, or one drawing per frame of a video."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.files import atomic, inside, write_bytes
from segpipe.commands.attend.maps import (
    COLORS,
    ImageMaps,
    RenderConfig,
    RenderedMap,
    head_colors,
    map_names,
    map_pixels,
    render_map,
)
from segpipe.images.sources import SourceImage
from segpipe.inference.backbone_view import ACTIVATION, MEAN, ROLLOUT, BackboneView, relative_to_uniform
from segpipe.plots.contact_sheet import Panel, label, sheet, tile
from segpipe.plots.heatmap import Style, draw, outline

Rgb = npt.NDArray[np.uint8]
Bytes = npt.NDArray[np.uint8]

_PANEL = 300  # pixels


@dataclass(frozen=True, slots=True)
class Output:
    """What is drawn of every image."""

    drawing: RenderConfig
    style: Style
    wanted: tuple[str, ...]
    """Names of maps; `heads` stands for all heads."""
    npz: bool = False


def chosen_maps(view: BackboneView, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of a backbone's maps that are wanted, in its own order; activation stands in for any attention."""
    if view.kind == "activation":
        return view.maps
    names = {*wanted, *view.heads} if "heads" in wanted else set(wanted)
    return tuple(name for name in map_names(view) if name in names)


def write_image(image: SourceImage, results: Sequence[ImageMaps], out: Path, output: Output) -> int:
    """Write everything about one image at its own size.

    `<map>/<name>.png` in the style asked for, with a threshold also `<map>_mask/` (255 = kept) and `<map>_contour/`,
    `sheets/<name>.png` with everything side by side, and `npz/<name>.npz`. With several backbones each has a folder
    of its own, and the sheet shows them all.

    Returns:
        How many files were written.
    """
    files = 0
    for result in results:
        root = out if len(results) == 1 else out / result.view.name
        for name in chosen_maps(result.view, output.wanted):
            drawn = render_map(image, result, name, output.drawing, image.size)
            picture = draw(image.rgb, drawn.strength, drawn.paint, style=output.style, kept=drawn.kept)
            pictures = {name: picture}
            if drawn.kept is not None:
                pictures[f"{name}_mask"] = drawn.kept.astype(np.uint8) * np.uint8(255)
                pictures[f"{name}_contour"] = outline(image.rgb, drawn.kept)
            for folder, pixels in pictures.items():
                write_bytes(inside(root / folder, f"{image.name}.png"), encode_png(pixels))
            files += len(pictures)
        if output.npz:
            _write_npz(image, result, root, output)
            files += 1
    whole = compare_sheet(image, results, output) if len(results) > 1 else one_sheet(image, results[0], output)
    write_bytes(inside(out / "sheets", f"{image.name}.png"), encode_png(whole))
    return files + 1


def encode_png(pixels: Bytes) -> bytes:
    """A gray (H, W) or RGB (H, W, 3) image as PNG."""
    ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, buffer = cv2.imencode(".png", ordered, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not done:
        raise ValueError(f"cannot encode a picture of shape {pixels.shape}")
    return buffer.tobytes()


def _write_npz(image: SourceImage, result: ImageMaps, root: Path, output: Output) -> None:
    names = [name for name in chosen_maps(result.view, output.wanted) if name != COLORS]
    arrays: dict[str, Any] = {f"{name}_patches": result.maps[name] for name in names}
    for name in names:
        arrays[name] = map_pixels(image, result, name, image.size, nearest=output.drawing.nearest, unit="raw")
    with atomic(inside(root / "npz", f"{image.name}.npz")) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays, valid_patches=result.valid)


# --- sheets ---------------------------------------------------------------------------------------------------------


def one_sheet(image: SourceImage, result: ImageMaps, output: Output) -> Rgb:
    """All wanted maps of one backbone beside the image, the heads in their colors."""
    small = _small(image)
    panels = [Panel("image", small.rgb)]
    colors = dict(zip(result.view.heads, head_colors(result.view).tolist(), strict=True))
    for name in chosen_maps(result.view, output.wanted):
        mark = tuple(colors[name]) if name in colors else None
        panels.append(_panel(small, result, name, output, mark=mark))
    columns = len(panels) if len(panels) <= 4 else min(6, math.ceil(math.sqrt(2 * len(panels))))
    return sheet(image.name, [_view_line(result), _scale_line(output)], panels, columns=columns, width=_PANEL)


def compare_sheet(image: SourceImage, results: Sequence[ImageMaps], output: Output) -> Rgb:
    """Backbones side by side, one column each, and a row for each wanted map; activation stands in the first row."""
    small = _small(image)
    chosen = [chosen_maps(result.view, output.wanted) for result in results]
    rows = list(dict.fromkeys(name for names in chosen for name in names if name != ACTIVATION)) or [ACTIVATION]
    panels = [Panel("image", small.rgb)]
    for row, name in enumerate(rows):
        if row:
            panels.append(Panel("", None))
        for result, names in zip(results, chosen, strict=True):
            shown = name if name in names else ACTIVATION if row == 0 and ACTIVATION in names else None
            if shown is not None:
                panels.append(_panel(small, result, shown, output, prefix=f"{result.view.name}\n"))
            else:
                note = "has no such head" if result.view.heads else "has no attention, so no heads and no rollout"
                panels.append(Panel(result.view.name, None, note))
    lines = [*(_view_line(result) for result in results), _scale_line(output)]
    return sheet(image.name, lines, panels, columns=1 + len(results), width=_PANEL)


def _panel(
    image: SourceImage,
    result: ImageMaps,
    name: str,
    output: Output,
    *,
    prefix: str = "",
    mark: tuple[int, int, int] | None = None,
) -> Panel:
    drawn = render_map(image, result, name, output.drawing, image.size)
    style: Style = "map" if output.style == "concat" else output.style
    picture = draw(image.rgb, drawn.strength, drawn.paint, style=style, kept=drawn.kept)
    return Panel(prefix + _caption(result, name), picture, mark=mark)


def _small(image: SourceImage) -> SourceImage:
    """The image at twice a panel's size."""
    size = image.size.fit(2 * _PANEL)
    if size == image.size:
        return image
    rgb = cv2.resize(image.rgb, (size.width, size.height), interpolation=cv2.INTER_AREA)
    if image.valid is None:
        return SourceImage(image.name, np.asarray(rgb, np.uint8), None)
    valid = cv2.resize(
        image.valid.astype(np.uint8), (size.width, size.height), interpolation=cv2.INTER_NEAREST_EXACT
    ).astype(bool)
    return SourceImage(image.name, np.asarray(rgb, np.uint8), valid)


def _caption(result: ImageMaps, name: str) -> str:
    if name == COLORS:
        return "heads in colors"
    values = relative_to_uniform(result.maps[name], result.view.kind)[result.valid]
    peak = f", up to {values.max():.1f} ×" if values.size else ""
    heads = len(result.view.heads)
    words = {MEAN: f"mean of {heads} heads", ROLLOUT: "rollout", ACTIVATION: "feature activation"}
    return words.get(name, f"head {name.removeprefix('head').lstrip('0') or '0'}") + peak


def _view_line(result: ImageMaps) -> str:
    grid, view = result.grid, result.view
    seen = f"{view.name}, {view.kind} of {view.where}"
    if view.kind == "activation":
        seen = f"{view.name} has no attention: feature activation, {view.where}"
    return f"{seen}, {grid.rows} × {grid.cols} patches of {grid.patch} pixels"


def _scale_line(output: Output) -> str:
    tops, share = output.drawing.scale.tops, output.drawing.threshold
    if tops is None:
        scale = "each map from its least to its largest value"
    elif isinstance(tops, float):
        scale = f"full strength at {tops:g} ×"
    else:
        scale = "one scale for all pictures"
    line = "" if share is None else f"; inside the line {100 * share:g}% of the mass"
    return f"{scale}; × = times an even map{line}"


# --- frames ---------------------------------------------------------------------------------------------------------


def draw_frame(image: SourceImage, results: Sequence[ImageMaps], output: Output) -> Rgb:
    """One image of all backbones and maps wanted: beside the image (`concat`), or each in the style asked for.

    Several are laid out in a grid, each with its name in the corner.
    """
    pairs = [(result, name) for result in results for name in chosen_maps(result.view, output.wanted)]
    style: Style = "map" if output.style == "concat" else output.style
    pictures, names = [], []
    for result, name in pairs:
        drawn: RenderedMap = render_map(image, result, name, output.drawing, image.size)
        pictures.append(draw(image.rgb, drawn.strength, drawn.paint, style=style, kept=drawn.kept))
        words = _caption(result, name).split(",")[0]
        names.append(f"{result.view.name}: {words}" if len(results) > 1 else words)
        if output.style == "concat" and len(pictures) == 1:
            first = outline(image.rgb, drawn.kept) if drawn.kept is not None and len(pairs) == 1 else image.rgb
            pictures.insert(0, first)
            names.insert(0, "image")
    if len(pairs) > 1:
        pictures = [label(picture, name) for picture, name in zip(pictures, names, strict=True)]
    count = len(pictures)
    return tile(pictures, columns=count if count <= 3 else math.ceil(math.sqrt(count)))

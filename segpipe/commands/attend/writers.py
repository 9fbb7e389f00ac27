"""What is written of looks: a folder of maps and sheets per image, or one picture per frame of a video."""

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
from segpipe.commands.attend.maps import COLORS, Drawing, Drawn, Look, draw_map, head_colors, map_names, values_of
from segpipe.images.sources import View
from segpipe.inference.backbone_maps import ACTIVATION, MEAN, ROLLOUT, Looker, relative
from segpipe.plots.contact_sheet import Panel, label, sheet, tile
from segpipe.plots.heatmap import Style, draw, outline

Rgb = npt.NDArray[np.uint8]
Bytes = npt.NDArray[np.uint8]

_PANEL = 300  # pixels


@dataclass(frozen=True, slots=True)
class Output:
    """What is drawn of every picture."""

    drawing: Drawing
    style: Style
    wanted: tuple[str, ...]
    """Names of maps; `heads` stands for all heads."""
    npz: bool = False


def chosen_maps(looker: Looker, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of a backbone's maps that are wanted, in its own order; activation stands in for any attention."""
    if looker.kind == "activation":
        return looker.maps
    names = {*wanted, *looker.heads} if "heads" in wanted else set(wanted)
    return tuple(name for name in map_names(looker) if name in names)


def write_image(view: View, looks: Sequence[Look], out: Path, output: Output) -> int:
    """Write everything about one picture at its own size.

    `<map>/<name>.png` in the style asked for, with a threshold also `<map>_mask/` (255 = kept) and `<map>_contour/`,
    `sheets/<name>.png` with everything side by side, and `npz/<name>.npz`. With several backbones each has a folder
    of its own, and the sheet shows them all.

    Returns:
        How many files were written.
    """
    files = 0
    for look in looks:
        root = out if len(looks) == 1 else out / look.looker.backbone
        for name in chosen_maps(look.looker, output.wanted):
            drawn = draw_map(view, look, name, output.drawing, view.size)
            picture = draw(view.rgb, drawn.strength, drawn.paint, style=output.style, kept=drawn.kept)
            pictures = {name: picture}
            if drawn.kept is not None:
                pictures[f"{name}_mask"] = drawn.kept.astype(np.uint8) * np.uint8(255)
                pictures[f"{name}_contour"] = outline(view.rgb, drawn.kept)
            for folder, pixels in pictures.items():
                write_bytes(inside(root / folder, f"{view.name}.png"), encode_png(pixels))
            files += len(pictures)
        if output.npz:
            _write_npz(view, look, root, output)
            files += 1
    whole = compare_sheet(view, looks, output) if len(looks) > 1 else one_sheet(view, looks[0], output)
    write_bytes(inside(out / "sheets", f"{view.name}.png"), encode_png(whole))
    return files + 1


def encode_png(pixels: Bytes) -> bytes:
    """A gray (H, W) or RGB (H, W, 3) picture as PNG."""
    ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, buffer = cv2.imencode(".png", ordered, [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not done:
        raise ValueError(f"cannot encode a picture of shape {pixels.shape}")
    return buffer.tobytes()


def _write_npz(view: View, look: Look, root: Path, output: Output) -> None:
    names = [name for name in chosen_maps(look.looker, output.wanted) if name != COLORS]
    arrays: dict[str, Any] = {f"{name}_patches": look.maps[name] for name in names}
    for name in names:
        arrays[name] = values_of(view, look, name, view.size, nearest=output.drawing.nearest, unit="raw")
    with atomic(inside(root / "npz", f"{view.name}.npz")) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays, valid_patches=look.valid)


# --- sheets ---------------------------------------------------------------------------------------------------------


def one_sheet(view: View, look: Look, output: Output) -> Rgb:
    """All wanted maps of one backbone beside the picture, the heads in their colors."""
    small = _small(view)
    panels = [Panel("image", small.rgb)]
    colors = dict(zip(look.looker.heads, head_colors(look.looker).tolist(), strict=True))
    for name in chosen_maps(look.looker, output.wanted):
        mark = tuple(colors[name]) if name in colors else None
        panels.append(_panel(small, look, name, output, mark=mark))
    columns = len(panels) if len(panels) <= 4 else min(6, math.ceil(math.sqrt(2 * len(panels))))
    return sheet(view.name, [_seen_by(look), _how_drawn(output)], panels, columns=columns, width=_PANEL)


def compare_sheet(view: View, looks: Sequence[Look], output: Output) -> Rgb:
    """Backbones side by side, one column each, and a row for each wanted map; activation stands in the first row."""
    small = _small(view)
    chosen = [chosen_maps(look.looker, output.wanted) for look in looks]
    rows = list(dict.fromkeys(name for names in chosen for name in names if name != ACTIVATION)) or [ACTIVATION]
    panels = [Panel("image", small.rgb)]
    for row, name in enumerate(rows):
        if row:
            panels.append(Panel("", None))
        for look, names in zip(looks, chosen, strict=True):
            shown = name if name in names else ACTIVATION if row == 0 and ACTIVATION in names else None
            if shown is not None:
                panels.append(_panel(small, look, shown, output, prefix=f"{look.looker.backbone}\n"))
            else:
                note = "has no such head" if look.looker.heads else "has no attention, so no heads and no rollout"
                panels.append(Panel(look.looker.backbone, None, note))
    lines = [*(_seen_by(look) for look in looks), _how_drawn(output)]
    return sheet(view.name, lines, panels, columns=1 + len(looks), width=_PANEL)


def _panel(
    view: View,
    look: Look,
    name: str,
    output: Output,
    *,
    prefix: str = "",
    mark: tuple[int, int, int] | None = None,
) -> Panel:
    drawn = draw_map(view, look, name, output.drawing, view.size)
    style: Style = "map" if output.style == "concat" else output.style
    picture = draw(view.rgb, drawn.strength, drawn.paint, style=style, kept=drawn.kept)
    return Panel(prefix + _caption(look, name), picture, mark=mark)


def _small(view: View) -> View:
    """The picture at twice a panel's size."""
    size = view.size.fit(2 * _PANEL)
    if size == view.size:
        return view
    rgb = cv2.resize(view.rgb, (size.width, size.height), interpolation=cv2.INTER_AREA)
    if view.valid is None:
        return View(view.name, np.asarray(rgb, np.uint8), None)
    valid = cv2.resize(
        view.valid.astype(np.uint8), (size.width, size.height), interpolation=cv2.INTER_NEAREST_EXACT
    ).astype(bool)
    return View(view.name, np.asarray(rgb, np.uint8), valid)


def _caption(look: Look, name: str) -> str:
    if name == COLORS:
        return "heads in colors"
    values = relative(look.maps[name], look.looker.kind)[look.valid]
    peak = f", up to {values.max():.1f} ×" if values.size else ""
    heads = len(look.looker.heads)
    words = {MEAN: f"mean of {heads} heads", ROLLOUT: "rollout", ACTIVATION: "feature activation"}
    return words.get(name, f"head {name.removeprefix('head').lstrip('0') or '0'}") + peak


def _seen_by(look: Look) -> str:
    grid, looker = look.grid, look.looker
    seen = f"{looker.backbone}, {looker.kind} of {looker.where}"
    if looker.kind == "activation":
        seen = f"{looker.backbone} has no attention: feature activation, {looker.where}"
    return f"{seen}, {grid.rows} × {grid.cols} patches of {grid.patch} pixels"


def _how_drawn(output: Output) -> str:
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


def draw_frame(view: View, looks: Sequence[Look], output: Output) -> Rgb:
    """One picture of all backbones and maps wanted: beside the image (`concat`), or each in the style asked for.

    Several are laid out in a grid, each with its name in the corner.
    """
    pairs = [(look, name) for look in looks for name in chosen_maps(look.looker, output.wanted)]
    style: Style = "map" if output.style == "concat" else output.style
    pictures, names = [], []
    for look, name in pairs:
        drawn: Drawn = draw_map(view, look, name, output.drawing, view.size)
        pictures.append(draw(view.rgb, drawn.strength, drawn.paint, style=style, kept=drawn.kept))
        words = _caption(look, name).split(",")[0]
        names.append(f"{look.looker.backbone}: {words}" if len(looks) > 1 else words)
        if output.style == "concat" and len(pictures) == 1:
            first = outline(view.rgb, drawn.kept) if drawn.kept is not None and len(pairs) == 1 else view.rgb
            pictures.insert(0, first)
            names.insert(0, "image")
    if len(pairs) > 1:
        pictures = [label(picture, name) for picture, name in zip(pictures, names, strict=True)]
    count = len(pictures)
    return tile(pictures, columns=count if count <= 3 else math.ceil(math.sqrt(count)))

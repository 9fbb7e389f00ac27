"""Several pictures on one sheet, each under its caption."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Rgb = npt.NDArray[np.uint8]

_INK, _FAINT, _PAPER = (29, 37, 48), (91, 102, 115), (255, 255, 255)
_GAP = 10


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture and what stands above it."""

    caption: str
    """One line or, with a line break, two."""
    rgb: Rgb | None
    """None: the caption stands over an empty place that says why in `note`."""
    note: str = ""
    mark: tuple[int, int, int] | None = None
    """A color shown before the caption."""


def sheet(title: str, lines: Sequence[str], panels: Sequence[Panel], *, columns: int, width: int = 300) -> Rgb:
    """Panels in rows of `columns`, under a title.

    Args:
        title: one line; shortened in the middle where it does not fit.
        lines: smaller ones below it, shortened alike.
        panels: pictures of about one shape; each is scaled to `width` pixels, small ones with hard pixel edges.
        columns: panels in a row.
        width: of a panel, pixels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    shapes = [panel.rgb.shape for panel in panels if panel.rgb is not None]
    height = max((round(width * shape[0] / shape[1]) for shape in shapes), default=width)
    columns = max(1, min(columns, len(panels)))
    line, head = 24, 38 + 18 * len(lines)
    if any("\n" in panel.caption for panel in panels):
        line += 18
    rows = math.ceil(len(panels) / columns)
    size = (columns * (width + _GAP) + _GAP, head + rows * (height + line + _GAP) + _GAP)
    canvas = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(canvas)
    room = size[0] - 2 * _GAP
    pen.text((_GAP, 8), _shortened(title, _font(19), room), fill=_INK, font=_font(19))
    for i, text in enumerate(lines):
        pen.text((_GAP, 34 + 18 * i), _shortened(text, _font(13), room), fill=_FAINT, font=_font(13))
    for i, panel in enumerate(panels):
        left, top = _GAP + i % columns * (width + _GAP), head + i // columns * (height + line + _GAP)
        indent = 0
        if panel.mark is not None:
            pen.rectangle((left, top + 5, left + 12, top + 17), fill=panel.mark)
            indent = 18
        first, _, second = panel.caption.partition("\n")
        pen.text((left + indent, top + 3), _shortened(first, _font(14), width - indent), fill=_INK, font=_font(14))
        pen.text((left, top + 21), _shortened(second, _font(13), width), fill=_FAINT, font=_font(13))
        if panel.rgb is None:
            pen.text((left, top + line + 4), _shortened(panel.note, _font(13), width), fill=_FAINT, font=_font(13))
        else:
            canvas.paste(Image.fromarray(_scaled(panel.rgb, width)), (left, top + line))
    return np.asarray(canvas)


def tile(pictures: Sequence[Rgb], *, columns: int) -> Rgb:
    """Pictures of one size (H, W, 3) in rows of `columns`, without gaps; what is left over is black."""
    height, width = pictures[0].shape[:2]
    rows = math.ceil(len(pictures) / columns)
    canvas = np.zeros((rows * height, columns * width, 3), np.uint8)
    for i, picture in enumerate(pictures):
        top, left = i // columns * height, i % columns * width
        canvas[top : top + height, left : left + width] = picture
    return canvas


def label(rgb: Rgb, text: str) -> Rgb:
    """The picture with a line of text in its upper left corner, readable on any ground."""
    font = _font(max(11, round(min(rgb.shape[:2]) / 28)))
    image = Image.fromarray(rgb)
    pen = ImageDraw.Draw(image)
    rim = max(1, round(font.size / 12))
    room = rgb.shape[1] - font.size
    at = (font.size / 2, font.size / 3)
    pen.text(at, _shortened(text, font, room), fill=_PAPER, font=font, stroke_width=rim, stroke_fill=(0, 0, 0))
    return np.asarray(image)


def _scaled(rgb: Rgb, width: int) -> Rgb:
    height = max(1, round(width * rgb.shape[0] / rgb.shape[1]))
    how = cv2.INTER_AREA if width <= rgb.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=how), np.uint8)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _shortened(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    """One line of at most `room` pixels: the middle gives way, because both ends of a path say most."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if font.getlength(text) <= room:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: kept // 2]}…{text[len(text) - (kept - kept // 2) :]}"
        if font.getlength(short) <= room:
            return short
    return text[:1]

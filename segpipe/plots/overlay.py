"""Class maps as colors, alone or over the image."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.integer]


def colorize(mask: Mask, colors: Picture, nodata: int) -> Picture:
    """Paint a class map.

    Args:
        mask: (H, W) classes.
        colors: (K, 3) RGB of the classes.
        nodata: the value of pixels without a class; they become black.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    table = np.zeros((max(nodata, len(colors) - 1) + 1, 3), np.uint8)
    table[: len(colors)] = colors
    table[nodata] = 0
    return np.asarray(np.take(table, mask, axis=0))


def overlay(rgb: Picture, mask: Mask, colors: Picture, *, opacity: float, borders: bool = True) -> Picture:
    """Lay class colors over an image.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) classes; pixels of a value without a color show the image alone.
        colors: (K, 3) RGB of the classes.
        opacity: share of the class color, 0 to 1.
        borders: draw a line where two classes meet.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    if mask.shape != rgb.shape[:2]:
        raise ValueError(f"the mask is {mask.shape}, the image {rgb.shape[:2]}")
    classes = len(colors)
    paint = colorize(np.minimum(mask, classes), colors, classes)
    mixed = cv2.addWeighted(rgb, 1 - opacity, paint, opacity, 0)
    mixed = np.where((mask < classes)[..., None], mixed, rgb)
    if borders:
        draw_borders(mixed, find_borders(mask))
    return np.asarray(mixed, np.uint8)


def find_borders(mask: Mask) -> npt.NDArray[np.bool_]:
    """Pixels (H, W) whose right or lower neighbor has another class."""
    border = np.zeros(mask.shape, bool)
    border[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    border[:-1] |= mask[:-1] != mask[1:]
    return border


def draw_borders(picture: Picture, border: npt.NDArray[np.bool_]) -> None:
    """White lines with a dark rim, readable on any ground; their width grows with the picture."""
    width = max(1, round(max(picture.shape[:2]) / 800))
    line = cv2.dilate(border.astype(np.uint8), np.ones((width, width), np.uint8))
    rim = cv2.dilate(line, np.ones((3, 3), np.uint8)) > line
    picture[rim] = (picture[rim] * 0.6).astype(np.uint8)
    picture[line > 0] = 255

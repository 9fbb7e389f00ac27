"""Maps of tracks: from what was found on the patches to a mask, and to a picture of the frame with its tracks."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Size
from segpipe.ops.tracking.tracks import TrackedFrame
from segpipe.plots.overlay import overlay
from segpipe.records.palette import class_colors

EIGHT_BITS = 255
"""More tracks are written with 16 bits."""
_OPACITY = 0.5

Mask = npt.NDArray[np.uint16]


def mask_palette() -> npt.NDArray[np.uint8]:
    """Colors (255, 3) of values: black for no track, then the tracks'."""
    return np.concatenate([np.zeros((1, 3), np.uint8), class_colors(EIGHT_BITS - 1)])


def paint(found: TrackedFrame, grid: Size, size: Size) -> Mask:
    """The mask (H, W) of a frame: numbers of tracks, 0 where there is none. Maps are enlarged before they compete."""
    tracks = [sighting.track for sighting in found.sightings if sighting.seen]
    best = _enlarged(found.rest, grid, size)
    mask = np.zeros((size.height, size.width), np.uint16)
    for track, values in zip(tracks, found.maps, strict=True):
        large = _enlarged(values, grid, size)
        won = large > best
        mask[won], best = track, np.maximum(best, large)
    return mask


def _enlarged(values: npt.NDArray[np.float32], grid: Size, size: Size) -> npt.NDArray[np.float32]:
    laid = values.reshape(grid.height, grid.width)
    return np.asarray(cv2.resize(laid, (size.width, size.height), interpolation=cv2.INTER_LINEAR), np.float32)


def draw_tracks(rgb: npt.NDArray[np.uint8], mask: npt.NDArray[np.integer]) -> npt.NDArray[np.uint8]:
    """A frame (H, W, 3) with its tracks in colors, their borders, and the number of each where it is widest."""
    present = [track for track in np.unique(mask).tolist() if track]
    if not present:
        return rgb
    colors = class_colors(max(present))
    picture = overlay(rgb, np.where(mask > 0, mask.astype(np.int64) - 1, len(colors)), colors, opacity=_OPACITY)
    size = max(0.4, min(rgb.shape[:2]) / 600)
    for track in present:
        place = _innermost(mask == track)
        for color, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            line = max(1, round(width * size))
            cv2.putText(picture, str(track), place, cv2.FONT_HERSHEY_SIMPLEX, size, color, line, cv2.LINE_AA)
    return picture


def _innermost(own: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Column and row of the pixel of a track that lies deepest in it: the mean of two parts may lie in neither."""
    inside = cv2.copyMakeBorder(own.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    _, _, _, (column, row) = cv2.minMaxLoc(cv2.distanceTransform(inside, cv2.DIST_L2, 3))
    return column - 1, row - 1

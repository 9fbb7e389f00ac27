"""Small pictures for a page: shrunk, cut out, marked, and encoded."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segpipe.base.geometry import Box, Size

Rgb = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture that an HTML page can hold within itself."""

    uri: str
    """`data:` address."""
    width: int
    """Pixels, so that the page keeps the place free before the picture is decoded."""
    height: int


def shrink(rgb: Rgb, side: int) -> Rgb:
    """Scale an image (H, W, 3) down to at most `side` pixels, undistorted; never up."""
    return np.asarray(_resized(rgb, Size(*rgb.shape[:2]).fit(side), cv2.INTER_AREA))


def shrink_mask(mask: Mask, side: int) -> Mask:
    """Scale a class map (H, W) like `shrink`; every value is that of one of its pixels."""
    return np.asarray(_resized(mask, Size(*mask.shape).fit(side), cv2.INTER_NEAREST_EXACT))


def _resized(pixels: Any, size: Size, how: int) -> Any:
    return (
        pixels if size == Size(*pixels.shape[:2]) else cv2.resize(pixels, (size.width, size.height), interpolation=how)
    )


def around(rgb: Rgb, box: Box, *, side: int, context: float = 5.0) -> Rgb:
    """A square picture of `side` pixels of a box and its surroundings, the box outlined.

    The square is `context` times as wide as the box and moved inside the image; where the image is smaller, the
    picture is filled up with light gray.
    """
    height, width = rgb.shape[:2]
    reach = min(max(round(context * max(box.height, box.width)), 2), max(height, width))
    top = _start(box.top + box.height / 2, reach, height)
    left = _start(box.left + box.width / 2, reach, width)
    part = rgb[max(top, 0) : top + reach, max(left, 0) : left + reach]
    square = np.full((reach, reach, 3), 235, np.uint8)
    square[max(-top, 0) : max(-top, 0) + part.shape[0], max(-left, 0) : max(-left, 0) + part.shape[1]] = part
    how = cv2.INTER_AREA if reach > side else cv2.INTER_CUBIC
    picture = np.ascontiguousarray(cv2.resize(square, (side, side), interpolation=how))
    scale = side / reach
    first = (round((box.left - left) * scale), round((box.top - top) * scale))
    last = (round((box.left + box.width - left) * scale) - 1, round((box.top + box.height - top) * scale) - 1)
    cv2.rectangle(picture, (first[0] - 1, first[1] - 1), (last[0] + 1, last[1] + 1), (20, 20, 20), 1)
    cv2.rectangle(picture, first, last, (255, 255, 255), 1)
    return picture


def surroundings(box: Box, size: Size, *, context: float = 5.0) -> Box:
    """What `around` looks at of an image of this size, and more: given these pixels alone it draws the same picture."""
    reach = max(round(context * max(box.height, box.width)), 2) + 1
    top, left = max(0, box.top - reach), max(0, box.left - reach)
    return Box(top, left, min(size.height, box.bottom + reach) - top, min(size.width, box.right + reach) - left)


def _start(center: float, reach: int, length: int) -> int:
    """First pixel of a span of `reach` around `center`, inside the image where the image is long enough."""
    if reach >= length:
        return (length - reach) // 2
    # halves go up: `round` would send them to the even number, which moves when all is counted from elsewhere
    return int(np.clip(np.floor(center - reach / 2 + 0.5), 0, length - reach))


def highlight(rgb: Rgb, inside: npt.NDArray[np.bool_], color: Rgb) -> Rgb:
    """The image with all but some pixels (H, W) faded to light gray, and their outline in a color (3,)."""
    gray = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    faded = (gray * 0.3 + 255 * 0.66).astype(np.uint8)
    picture = np.where(inside[..., None], rgb, faded)
    area = inside.astype(np.uint8)
    picture[cv2.dilate(area, np.ones((3, 3), np.uint8)) > area] = color
    return picture


def blocks(colors: Rgb, *, patch: int, content: Size) -> Rgb:
    """A patch map (rows, cols, 3) as large as the network saw the crop: flat squares, padding cut off."""
    large = colors.repeat(patch, axis=0).repeat(patch, axis=1)
    return np.ascontiguousarray(large[: content.height, : content.width])


def photo(rgb: Rgb, *, quality: int = 78) -> Picture:
    """Encode a photograph (H, W, 3) as WebP."""
    return _encode(rgb, ".webp", "image/webp", [cv2.IMWRITE_WEBP_QUALITY, quality])


def drawing(rgb: Rgb) -> Picture:
    """Encode a picture of flat colors (H, W, 3) as PNG, without loss."""
    return _encode(rgb, ".png", "image/png", [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _encode(rgb: Rgb, ending: str, kind: str, options: list[int]) -> Picture:
    done, buffer = cv2.imencode(ending, cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"cannot encode a picture of shape {rgb.shape}")
    return Picture(data_uri(buffer.tobytes(), kind), rgb.shape[1], rgb.shape[0])


def data_uri(content: bytes, kind: str) -> str:
    """The bytes as a `data:` address of this media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"

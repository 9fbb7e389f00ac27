"""Artefacts: what a codec leaves, and what lies on a lens, a print or a frame."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from scipy.fft import dct

from segpipe.ops.corruptions.common import paste, pixels_at, to_bytes
from segpipe.records.corruption import CorruptedImage, Rgb

Bytes = npt.NDArray[np.uint8]
Draw = Callable[[Bytes, tuple[int, ...]], None]
"""Draws a thing of one color onto an image (H, W) or (H, W, 3)."""

_INKS = ((245, 245, 245), (15, 15, 15), (235, 205, 60))
"""White, black and the yellow of a tape."""
_SUBPIXEL = 4  # bits of a pixel's position that OpenCV's drawing is given


def recompress(rgb: Rgb, quality: float, rng: np.random.Generator) -> CorruptedImage:
    """Through OpenCV's JPEG encoder and back, color at half resolution; its blocks are 8 pixels of this image."""
    done, coded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    if not done:
        raise ValueError(f"no JPEG of a picture of shape {rgb.shape}")
    return CorruptedImage(cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


def block(rgb: Rgb, side: float, rng: np.random.Generator) -> CorruptedImage:
    """A starved video codec: of each block of `side` pixels at 480 the four lowest frequencies (2 x 2 DCT) are left."""
    step = max(2, round(pixels_at(rgb, side)))
    height, width = rgb.shape[:2]
    padded = np.pad(rgb, ((0, -height % step), (0, -width % step), (0, 0)), mode="edge").astype(np.float32)
    low = dct(np.eye(step, dtype=np.float32), axis=0, norm="ortho")[:2]
    keep = low.T @ low  # (step, step): to the two lowest frequencies and back
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step, 3)
    kept = np.einsum("ij,rjckd,kl->ricld", keep, blocks, keep, optimize=True)
    return CorruptedImage(to_bytes(kept.reshape(padded.shape)[:height, :width]))


def scratch(rgb: Rgb, count: float, rng: np.random.Generator) -> CorruptedImage:
    """Thin bent scratches, bright or dark. A higher count adds to the scratches of a lower one."""
    layer = _Layer(rgb)
    for _ in range(int(count)):
        start, towards = layer.somewhere(rng), rng.uniform(0, 2 * math.pi)
        length, bend = layer.long * rng.uniform(0.15, 0.6), rng.uniform(-0.6, 0.6)
        way = np.linspace(0, 1, 17)
        angle = towards + bend * way
        path = start + length * np.stack([way * np.cos(angle), way * np.sin(angle)], axis=1)
        opacity, ink = int(rng.integers(150, 256)), _INKS[int(rng.integers(2))]
        layer.line(path, pixels_at(rgb, 0.8), opacity, ink)
    return layer.paste()


def draw_lines(rgb: Rgb, count: float, rng: np.random.Generator) -> CorruptedImage:
    """Straight lines across the whole image, like tapes and ropes."""
    layer = _Layer(rgb)
    for _ in range(int(count)):
        middle, towards = layer.somewhere(rng), rng.uniform(0, math.pi)
        reach = 2 * layer.long * np.array([math.cos(towards), math.sin(towards)])
        layer.line(np.stack([middle - reach, middle + reach]), pixels_at(rgb, 3), 255, _INKS[int(rng.integers(3))])
    return layer.paste()


def dust(rgb: Rgb, count: float, rng: np.random.Generator) -> CorruptedImage:
    """Specks, bright like particles before a flash or dark like dust on a sensor, with soft rims."""
    layer = _Layer(rgb)
    for _ in range(int(count)):
        center, radius = layer.somewhere(rng), pixels_at(rgb, float(rng.uniform(0.8, 4.0)))
        opacity, ink = int(rng.integers(120, 256)), _INKS[int(rng.integers(2))]
        layer.disc(center, radius, opacity, ink)
    return layer.paste(soft=pixels_at(rgb, 0.5))


def stamp(rgb: Rgb, size: float, rng: np.random.Generator) -> CorruptedImage:
    """A date and time such as cameras write, somewhere, in letters of `size` pixels at 480, white with a dark rim."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = rgb.shape[:2]
    font = ImageFont.load_default(max(4.0, pixels_at(rgb, size)))
    year, month, day, hour, minute = (int(rng.integers(low, high)) for low, high in _MOMENT)
    text = f"{year}-{month:02}-{day:02} {hour:02}:{minute:02}"
    rim = max(1, round(pixels_at(rgb, size) / 12))
    left, top, right, bottom = font.getbbox(text, stroke_width=rim)
    place = [rng.uniform(0, max(0.0, room)) for room in (width - (right - left), height - (bottom - top))]
    at = (place[0] - left, place[1] - top)
    layers = [Image.new("L", (width, height)) for _ in range(2)]
    ImageDraw.Draw(layers[0]).text(at, text, 255, font, stroke_width=rim)
    ImageDraw.Draw(layers[1]).text(at, text, 255, font)
    opacity, letters = (np.asarray(layer, np.uint8) for layer in layers)
    return paste(rgb, np.maximum(opacity, letters), np.repeat(letters[..., None], 3, axis=2))


_MOMENT = ((2001, 2030), (1, 13), (1, 29), (0, 24), (0, 60))


class _Layer:
    """What is to be put onto an image, drawn thing by thing."""

    def __init__(self, rgb: Rgb) -> None:
        self._rgb = rgb
        self._opacity: Bytes = np.zeros(rgb.shape[:2], np.uint8)
        self._color: Bytes = np.zeros_like(rgb)
        self.long = max(rgb.shape[:2])

    def somewhere(self, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """A place (x, y) in the image."""
        height, width = self._rgb.shape[:2]
        return np.asarray(rng.uniform(0, 1, 2) * (width - 1, height - 1))

    def line(self, path: npt.NDArray[np.float64], thick: float, opacity: int, ink: tuple[int, int, int]) -> None:
        """A line through points (n, 2)."""
        points, wide = [self._fixed(path)[:, None]], max(1, round(thick))
        cv2.polylines(self._color, points, False, ink, wide + 4, cv2.LINE_8, _SUBPIXEL)
        cv2.polylines(self._opacity, points, False, opacity, wide, cv2.LINE_AA, _SUBPIXEL)

    def disc(self, center: npt.NDArray[np.float64], radius: float, opacity: int, ink: tuple[int, int, int]) -> None:
        """A filled disc."""
        at, (reach, more) = self._fixed(center), self._fixed(np.array([radius, 2 * radius + 3]))
        cv2.circle(self._color, at, more, ink, -1, cv2.LINE_8, _SUBPIXEL)
        cv2.circle(self._opacity, at, reach, opacity, -1, cv2.LINE_AA, _SUBPIXEL)

    def paste(self, soft: float = 0.0) -> CorruptedImage:
        """The image with all of it on top, its rims softened by a Gaussian of `soft` pixels."""
        opacity = cv2.GaussianBlur(self._opacity, (0, 0), soft) if soft else self._opacity
        return paste(self._rgb, opacity, self._color)

    @staticmethod
    def _fixed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
        return np.asarray(np.rint(values * (1 << _SUBPIXEL)), np.int32)

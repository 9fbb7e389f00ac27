"""The shift between two pictures of the same ground by phase correlation (Kuglin and Hines, 1975), window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

_BLUR = 1.2  # pixels: the correlation's peak becomes a Gaussian of this width, whose top three points give exactly
_CLEAR = 7.5  # standard deviations above the rest of the surface: noise alone reaches six or so
_LEAST = 3  # windows with a peak
_APART = 0.5, 4.0  # pixels that windows may differ by, however alike or unlike they are


@dataclass(frozen=True, slots=True)
class WindowShift:
    """The shift in one window."""

    rows: float
    """What lies at row r of the first picture lies at r + rows in the second."""
    cols: float
    peak: float
    """Height of the correlation's peak, in standard deviations of its surface."""

    @property
    def clear(self) -> bool:
        """Whether the peak stands out."""
        return self.peak >= _CLEAR


@dataclass(frozen=True, slots=True)
class RasterShift:
    """The shift of a raster against another."""

    rows: float
    cols: float
    spread: float
    """Pixels by which windows differ from it (1.48 times the median distance)."""
    used: int
    """Windows that agree with it."""
    windows: int
    """Windows looked at."""

    @property
    def length(self) -> float:
        """In pixels."""
        return float(np.hypot(self.rows, self.cols))


def window_shift(first: Float32, second: Float32) -> WindowShift:
    """The shift between two windows of the same size.

    Brightness and contrast may differ: the spectra's phases alone are compared. Both fade out towards the window's
    edges (Hann), and fine detail, where noise and interpolation lie, counts less.

    Args:
        first: (h, w) gray values, at least 8 x 8; what holds no image should have the mean of the rest.
        second: (h, w)

    Raises:
        ValueError: sizes differ or are too small.
    """
    if first.shape != second.shape or min(first.shape) < 8:
        raise ValueError(f"windows of {first.shape} and {second.shape}; they must be alike, and 8 x 8 at least")
    height, width = first.shape
    fade = np.outer(np.hanning(height), np.hanning(width))
    spectra = [np.fft.rfft2((picture - picture.mean()) * fade) for picture in (first, second)]
    cross = np.conj(spectra[0]) * spectra[1]
    size = np.abs(cross)
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    weight = np.exp(-2 * (np.pi * _BLUR) ** 2 * (down**2 + across**2))
    cross = np.divide(cross, size, out=np.zeros_like(cross), where=size > size.max() * 1e-12) * weight
    surface = np.fft.irfft2(cross, s=(height, width))
    top, left = np.unravel_index(int(surface.argmax()), surface.shape)
    spread = float(surface.std())
    peak = float((surface[top, left] - surface.mean()) / spread) if spread > 0 else 0.0
    rows = _top([surface[(top + step) % height, left] for step in (-1, 0, 1)]) + int(top)
    cols = _top([surface[top, (left + step) % width] for step in (-1, 0, 1)]) + int(left)
    return WindowShift(rows - height * (rows > height / 2), cols - width * (cols > width / 2), peak)


def _top(values: Sequence[float]) -> float:
    """Where between -1 and 1 a Gaussian through three points has its top."""
    if min(values) <= 0:
        return 0.0
    before, here, after = np.log(values)
    bend = before - 2 * here + after
    return float(np.clip((before - after) / (2 * bend), -1, 1)) if bend < 0 else 0.0


def common_shift(found: Sequence[WindowShift]) -> RasterShift | None:
    """The shift that the windows agree on: the median of those with a clear peak, outliers left out.

    Args:
        found: of all windows.

    Returns:
        None where fewer than three windows have a clear peak, or fewer than half of these agree.
    """
    clear = np.array([(each.rows, each.cols) for each in found if each.clear], np.float64).reshape(-1, 2)
    if len(clear) < min(_LEAST, len(found)) or not len(clear):
        return None
    middle = np.median(clear, axis=0)
    away = np.hypot(*(clear - middle).T)
    kept = clear[away <= np.clip(3 * 1.4826 * np.median(away), *_APART)]
    if 2 * len(kept) < len(clear):
        return None
    middle = np.median(kept, axis=0)
    spread = 1.4826 * float(np.median(np.hypot(*(kept - middle).T)))
    return RasterShift(float(middle[0]), float(middle[1]), spread, len(kept), len(found))

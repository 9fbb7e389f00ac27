"""Classical backbone: hand-made features from before deep networks, one vector per patch.

Four groups describe a patch of 16 pixels and its surroundings:
    color    CIELAB mean, standard deviation and percentiles of the patch, mean and deviation of 3 x 3 patches
    hog      oriented gradients (Dalal & Triggs 2005) of windows of 16, 32 and 64 pixels, and their strength
    lbp      rotation-invariant uniform local binary patterns (Ojala et al. 2002) at radii 1, 2 and 4
    sift     dense SIFT (Lowe 2004) over 32 and 64 pixels with RootSIFT scaling (Arandjelović & Zisserman 2012)

Each group is scaled to the same total variance over the corpus, then all are PCA-whitened to at most 64 numbers. Of
other channels than red, green and blue each is a part of the color group, whose variance grows with them.
Places are not described. Every step is per crop, so a crop's features do not depend on what is computed beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from threadpoolctl import threadpool_limits

Float32 = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

PATCH = 16
DIM = 64
_SHRINK = 0.2
"""Added to every variance under the root, as a share of the largest. Full whitening (0) would make noise as loud as
content: cosine k-means of MSRC-21 patches then finds 40% of them, instead of 48%, in clusters of their class."""

_BINS = 9
_RADII = (1.0, 2.0, 4.0)
_PERCENTILES = (10, 25, 50, 75, 90)
GROUPS: Mapping[str, int] = {
    "color": 3 * (2 + len(_PERCENTILES) + 2),
    "hog": 3 * (4 * _BINS + 1),
    "lbp": 2 * 10 * len(_RADII),
    "sift": 2 * 128,
}
"""Length of each group, in the order they lie in a raw vector."""
RAW_DIM = sum(GROUPS.values())
_A_CHANNEL = 2 + len(_PERCENTILES) + 2  # numbers of the color group
_TEXTURE = RAW_DIM - GROUPS["color"]


def groups_of(length: int) -> dict[str, int]:
    """Length of each group of a raw vector of this length: the color group grows with the channels.

    Raises:
        ValueError: no number of channels makes such vectors.
    """
    color = length - _TEXTURE
    if color < _A_CHANNEL or color % _A_CHANNEL:
        raise ValueError(f"no raw vector has {length} numbers")
    return {**GROUPS, "color": color}


@dataclass(frozen=True, slots=True)
class Whitening:
    """From raw vectors to features: (x - mean) @ projection."""

    mean: Float32
    """(RAW_DIM,), longer or shorter where images have other channels than red, green and blue."""
    projection: Float32
    """(RAW_DIM, dim): group scaling, PCA and whitening in one matrix."""

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.projection.ndim != 2 or len(self.projection) != len(self.mean):
            raise ValueError(f"whitening must be (raw,) and (raw, dim), got {self.mean.shape}")
        groups_of(len(self.mean))
        if not (np.isfinite(self.mean).all() and np.isfinite(self.projection).all()):
            raise ValueError("whitening must be finite")

    @property
    def dim(self) -> int:
        """Length of a feature."""
        return int(self.projection.shape[1])


def describe(rgb: Bytes, whitening: Whitening) -> Float32:
    """Whitened features of every patch, (rows, cols, dim), of a crop (16 * rows, 16 * cols, 3) uint8."""
    raw = raw_features(rgb)
    # one row at a time: a matrix product's last bits depend on its shape, a patch's features must not
    return np.stack([(line - whitening.mean) @ whitening.projection for line in raw])


def raw_features(rgb: Bytes) -> Float32:
    """The groups of every patch side by side, (rows, cols, RAW_DIM), before any scaling.

    Of other channels than three each is described as CIELAB's are, from 0 to 100, and texture is that of their mean.

    Args:
        rgb: (16 * rows, 16 * cols, 3) uint8, or as many channels as images have.
    """
    height, width = rgb.shape[:2]
    if height % PATCH or width % PATCH or rgb.dtype != np.uint8:
        raise ValueError(f"expected uint8 with whole patches of {PATCH}, got {rgb.dtype} {rgb.shape}")
    if rgb.shape[2] == 3:
        lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        light, gray = lab[..., 0], cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    else:
        lab = rgb.astype(np.float32) * np.float32(100 / 255)
        mean = rgb.mean(axis=-1, dtype=np.float32)
        light, gray = mean * np.float32(100 / 255), np.rint(mean).astype(np.uint8)
    parts = [_color(lab), _hog(light), _lbp(light), _sift(gray, 2 * PATCH), _sift(gray, 4 * PATCH)]
    return np.concatenate(parts, axis=-1)


def fit_whitening(samples: Iterable[Float32]) -> Whitening:
    """Learn the scaling and the directions from raw vectors (m, RAW_DIM), all of one length, given in pieces.

    Only the first two moments are kept, so memory does not grow with the number of pieces.

    Raises:
        ValueError: not a single vector was given.
    """
    count, total, products = 0, np.zeros(0), np.zeros((0, 0))
    origin: npt.NDArray[np.float64] | None = None  # near the mean, so that the products do not cancel
    with threadpool_limits(1):  # the same bits whatever the number of threads
        for piece in samples:
            x = piece.astype(np.float64)
            if not len(x):
                continue
            if origin is None:
                origin, total, products = x.mean(axis=0), np.zeros(x.shape[1]), np.zeros((x.shape[1],) * 2)
            x -= origin
            count, total, products = count + len(x), total + x.sum(axis=0), products + x.T @ x
        if origin is None:
            raise ValueError("no vectors to learn from")
        offset = total / count
        covariance = products / count - np.outer(offset, offset)
        scale = _group_scale(covariance)
        values, vectors = np.linalg.eigh(covariance * np.outer(scale, scale))
    values, vectors = values[::-1][:DIM], vectors[:, ::-1][:, :DIM]
    kept = max(1, int((values > 1e-6 * max(values[0], 1e-12)).sum()))
    values, vectors = values[:kept], vectors[:, :kept]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(kept)])  # eigh leaves signs open
    projection = scale[:, None] * vectors / np.sqrt(values + _SHRINK * values[0] + 1e-12)
    return Whitening((origin + offset).astype(np.float32), projection.astype(np.float32))


def _group_scale(covariance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    scale, start = np.zeros(len(covariance)), 0
    for length in groups_of(len(covariance)).values():
        span = slice(start, start + length)
        variance = float(np.trace(covariance[span, span]))
        scale[span] = 1 / np.sqrt(variance) if variance > 1e-12 else 0.0
        start += length
    colors = groups_of(len(covariance))["color"]
    scale[:colors] *= np.sqrt(colors / GROUPS["color"])  # many channels say more than three
    return scale


def _cells(image: Float32, side: int) -> Float32:
    """Mean over cells: (H, W, ...) to (H / side, W / side, ...)."""
    height, width, *rest = image.shape
    return np.asarray(image.reshape(height // side, side, width // side, side, *rest).mean(axis=(1, 3)))


def _color(lab: Float32) -> Float32:
    height, width, channels = lab.shape
    rows, cols = height // PATCH, width // PATCH
    patches = lab.reshape(rows, PATCH, cols, PATCH, channels).swapaxes(1, 2)
    pixels = np.sort(patches.reshape(rows, cols, PATCH**2, channels), axis=2)
    places = [round(p / 100 * (PATCH**2 - 1)) for p in _PERCENTILES]
    percentiles = pixels[:, :, places].reshape(rows, cols, -1)
    mean, square = _cells(lab, PATCH), _cells(lab * lab, PATCH)
    around, around_square = (_blur(x) for x in (mean, square))
    near, wide = (np.sqrt(np.maximum(s - m * m, 0)) for m, s in ((mean, square), (around, around_square)))
    return np.concatenate([mean, near, percentiles, around, wide], axis=-1)


def _blur(cells: Float32) -> Float32:
    """Mean over 3 x 3 cells of each channel; of more than four OpenCV blurs none."""
    if cells.shape[2] <= 4:
        found = cv2.blur(cells, (3, 3), borderType=cv2.BORDER_REPLICATE)
        return np.asarray(found.reshape(cells.shape))  # it drops a channel that is alone
    return np.dstack([cv2.blur(cells[..., i], (3, 3), borderType=cv2.BORDER_REPLICATE) for i in range(cells.shape[2])])


def _hog(light: Float32) -> Float32:
    """Orientation histograms of 2 x 2 cells in windows of 1, 2 and 4 patches around each patch."""
    dx = cv2.filter2D(light, cv2.CV_32F, np.array([[-0.5, 0, 0.5]], np.float32), borderType=cv2.BORDER_REPLICATE)
    dy = cv2.filter2D(light, cv2.CV_32F, np.array([[-0.5], [0], [0.5]], np.float32), borderType=cv2.BORDER_REPLICATE)
    strength = np.sqrt(dx * dx + dy * dy)
    angle = np.mod(np.arctan2(dy, dx) / np.pi, 1.0) * _BINS  # unsigned: light-dark edges equal dark-light ones
    lower = np.floor(angle)
    share = angle - lower
    lower_bin = lower.astype(np.int64) % _BINS
    half = PATCH // 2
    rows, cols = light.shape[0] // half, light.shape[1] // half
    cell = (np.arange(light.shape[0]) // half)[:, None] * cols + np.arange(light.shape[1]) // half
    index = cell * _BINS
    counts = np.bincount((index + lower_bin).ravel(), (strength * (1 - share)).ravel(), rows * cols * _BINS)
    counts += np.bincount((index + (lower_bin + 1) % _BINS).ravel(), (strength * share).ravel(), rows * cols * _BINS)
    cells = np.pad(counts.reshape(rows, cols, _BINS).astype(np.float32), ((3, 3), (3, 3), (0, 0)), mode="edge")
    parts = []
    for span in (1, 2, 4):  # side of a histogram cell in half patches
        sums = sliding_window_view(cells, (span, span), (0, 1)).sum(axis=(-2, -1))
        # 2 x 2 such cells are centered on the patch; the first patch begins at index 3 of the padded half patches
        first, second = 4 - span, 4
        corners = [(y, x) for y in (first, second) for x in (first, second)]
        block = np.concatenate([sums[y : y + rows : 2, x : x + cols : 2] for y, x in corners], axis=-1)
        length = np.linalg.norm(block, axis=-1, keepdims=True)
        clipped = np.minimum(block / (length + 1.0 * span * span), 0.2)  # L2-Hys: no single edge takes it all
        parts += [clipped / (np.linalg.norm(clipped, axis=-1, keepdims=True) + 1e-2), np.log1p(length / span**2)]
    return np.concatenate(parts, axis=-1)


def _lbp(light: Float32) -> Float32:
    """Shares of the ten rotation-invariant uniform patterns in each patch and in 3 x 3 patches, per radius."""
    parts = []
    rows, cols = light.shape[0] // PATCH, light.shape[1] // PATCH
    cell = (np.arange(light.shape[0]) // PATCH)[:, None] * cols + np.arange(light.shape[1]) // PATCH
    for radius in _RADII:
        smooth = light if radius == 1 else cv2.GaussianBlur(light, (0, 0), radius / 3, borderType=cv2.BORDER_REPLICATE)
        counts = np.bincount((cell * 10 + _patterns(smooth, radius)).ravel(), minlength=rows * cols * 10)
        shares = counts.reshape(rows, cols, 10).astype(np.float32) / PATCH**2
        around = np.dstack([cv2.blur(shares[..., i], (3, 3), borderType=cv2.BORDER_REPLICATE) for i in range(10)])
        parts += [np.sqrt(shares), np.sqrt(np.maximum(around, 0))]  # roots: the distance is then Hellinger's
    return np.concatenate(parts, axis=-1)


def _patterns(light: Float32, radius: float) -> npt.NDArray[np.int64]:
    """For each pixel how many of 8 neighbors are not darker, 0 to 8, or 9 if they alternate more than twice."""
    height, width = light.shape
    margin = int(radius) + 1
    padded = np.pad(light, margin, mode="edge")
    bits = np.empty((8, height, width), np.bool_)
    for i in range(8):
        dy, dx = round(-radius * np.sin(i * np.pi / 4), 6), round(radius * np.cos(i * np.pi / 4), 6)
        top, left = int(np.floor(dy)), int(np.floor(dx))
        v, u = np.float32(dy - top), np.float32(dx - left)
        corners = [
            (1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u,
        ]  # fmt: skip
        neighbor = np.zeros((height, width), np.float32)
        for weight, (a, b) in zip(corners, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
            if weight:
                y, x = margin + top + a, margin + left + b
                neighbor += weight * padded[y : y + height, x : x + width]
        bits[i] = neighbor >= light - 0.05  # lightness runs to 100; rounding must not decide in flat places
    changes = (bits != np.roll(bits, 1, axis=0)).sum(axis=0)
    return np.where(changes <= 2, bits.sum(axis=0), 9)


def _sift(gray: Bytes, window: int) -> Float32:
    """Upright SIFT descriptors at the patch centers; their 4 x 4 cells cover `window` pixels."""
    rows, cols = gray.shape[0] // PATCH, gray.shape[1] // PATCH
    size = window / 6  # OpenCV draws a cell 1.5 keypoint sizes wide
    centers = [(c * PATCH + PATCH / 2 - 0.5, r * PATCH + PATCH / 2 - 0.5) for r in range(rows) for c in range(cols)]
    keypoints = [cv2.KeyPoint(x, y, size, 0) for x, y in centers]
    _, found = cv2.SIFT.create().compute(gray, keypoints)
    total = np.maximum(found.sum(axis=1, keepdims=True), 1e-6)
    return np.asarray(np.sqrt(found / total), np.float32).reshape(rows, cols, 128)

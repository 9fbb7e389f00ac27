"""Drawn ground from above: class maps and photographs of them, as rasters on the earth, at two dates."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine

from segpipe.ops.drawing.shapes import noise

Labels = npt.NDArray[np.uint8]
Rgb = npt.NDArray[np.uint8]

NAMES = ("sand", "coral", "algae", "rubble")
SAND, CORAL, ALGAE, RUBBLE = range(4)
_COLORS = ((205, 190, 150), (196, 110, 90), (84, 110, 52), (128, 120, 122))
_GRAIN = ((1.0, 6), (2.2, 26), (1.4, 18), (4.0, 22))  # pixels and gray levels of the texture of each class


def ground_map(rng: np.random.Generator, height: int, width: int, *, patch: float = 60) -> Labels:
    """A class map (h, w) of patches about `patch` pixels wide."""
    fields = [noise(rng, height, width, patch, 2) for _ in range(3)]
    labels = np.full((height, width), SAND, np.uint8)
    labels[fields[2] > 0.9] = RUBBLE
    labels[fields[1] > 0.75] = ALGAE
    labels[fields[0] > 0.55] = CORAL
    return labels


def turned(
    labels: Labels, share: float, rng: np.random.Generator, *, before: int = CORAL, after: int = ALGAE
) -> Labels:
    """Whole colonies of a class turned into another, until about `share` of it has changed."""
    count, regions, stats, _ = cv2.connectedComponentsWithStats((labels == before).astype(np.uint8))
    wanted, found, changed = share * (labels == before).sum(), 0, labels.copy()
    for k in rng.permutation(np.arange(1, count)):
        size = int(stats[k, cv2.CC_STAT_AREA])
        if found + size <= 1.25 * wanted:
            changed[regions == k] = after
            found += size
        if found >= 0.9 * wanted:
            break
    return changed


def photographed(labels: Labels, rng: np.random.Generator, *, gain: float = 1.0, offset: float = 0.0) -> Rgb:
    """A picture (h, w, 3) of a class map: each class in its color and texture, then the exposure."""
    height, width = labels.shape
    color = np.array(_COLORS, np.float32)[labels]
    for k, (cell, strength) in enumerate(_GRAIN):
        grain = noise(rng, height, width, cell * 2, 2)[..., None] * strength
        color = np.where((labels == k)[..., None], color + grain, color)
    color = cv2.GaussianBlur(color, (0, 0), 0.7)
    return np.asarray(np.clip(np.rint(color * gain + offset), 0, 255), np.uint8)


def moved(picture: npt.NDArray[np.uint8], rows: float, cols: float, *, nearest: bool = False) -> npt.NDArray[np.uint8]:
    """A picture whose content lies `rows` lower and `cols` further right."""
    matrix = np.array([[1, 0, cols], [0, 1, rows]], np.float64)
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_CUBIC
    size = picture.shape[1], picture.shape[0]
    return np.asarray(cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT), np.uint8)


def write_raster(path: Path, rgb: Rgb, *, pixel: float = 0.05, east: float = 500_000, north: float = 7_800_000) -> None:
    """A GeoTIFF in UTM with pixels of `pixel` meters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", height=rgb.shape[0], width=rgb.shape[1], count=3, dtype="uint8", tiled=True,
        blockxsize=256, blockysize=256, compress="deflate", photometric="rgb", crs=CRS.from_epsg(32755),
        transform=Affine(pixel, 0, east, 0, -pixel, north),
    ) as file:  # fmt: skip
        file.write(np.moveaxis(rgb, -1, 0))

"""Rasters of several bands, drawn by a rule, with exact classes: what a satellite or a multispectral camera writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.transform import Affine

from segpipe.images.decoding import quiet

Array = npt.NDArray[np.generic]

SIGNATURES: Mapping[str, tuple[int, int, int, int]] = {
    "B02": (600, 600, 1400, 1400),
    "B03": (800, 800, 1500, 1500),
    "B04": (700, 700, 1700, 1700),
    "B08": (900, 3600, 1500, 3900),
    "B11": (800, 800, 2100, 2100),
}
"""Reflectance of four classes: of 0 and 1, and of 2 and 3, B08 (the near infrared) alone is another."""


def draw_classes(rng: np.random.Generator, cells: int, side: int) -> npt.NDArray[np.int64]:
    """Classes 0 to 3 (cells * side, cells * side) in a chess board of random squares."""
    return rng.integers(0, 4, (cells, cells)).repeat(side, axis=0).repeat(side, axis=1)


def draw_bands(
    rng: np.random.Generator, classes: npt.NDArray[np.int64], names: Sequence[str], noise: float = 0.08
) -> npt.NDArray[np.uint16]:
    """Bands (n, H, W) of a scene of these classes: signatures, with noise and a light of its own."""
    pure = np.array([SIGNATURES[name] for name in names], np.float64)[:, classes]
    return (pure * rng.normal(1, noise, pure.shape) * rng.normal(1, 0.05)).clip(1, 65_535).astype(np.uint16)


def write_bands(
    path: Path,
    bands: Array,
    names: Sequence[str] = (),
    *,
    meters: float = 0.0,
    nodata: float | None = None,
    driver: str = "GTiff",
) -> None:
    """Write bands (n, H, W) as one raster; on the earth where a pixel has `meters`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {"crs": "EPSG:32633", "transform": Affine(meters, 0, 500_000, 0, -meters, 5_000_000)} if meters else {}
    exact = {"QUALITY": "100", "REVERSIBLE": "YES"} if driver == "JP2OpenJPEG" else {"photometric": "MINISBLACK"}
    count, height, width = bands.shape
    profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype.name, "nodata": nodata}
    with quiet(), rasterio.open(path, "w", driver=driver, **profile, **place, **exact) as file:
        file.write(bands)
        for number, name in enumerate(names, 1):
            file.set_band_description(number, name)

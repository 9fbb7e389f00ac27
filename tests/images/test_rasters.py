from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from segpipe.images.headers import inspect
from segpipe.images.rasters import read_geo, to_8_bits

UTM = Affine(0.0123456789012345, 0, 345678.123456789, 0, -0.0123456789012345, 8123456.987654321)


def write(path: Path, bands: np.ndarray, *, mask: np.ndarray | None = None, **options: Any) -> None:
    """Bands (b, H, W) as a GeoTIFF."""
    count, height, width = bands.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype.name}
    place = {"crs": "EPSG:32755", "transform": UTM}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **{**profile, **place, **options}) as out,
    ):
        out.write(bands)
        if mask is not None:
            out.write_mask(mask)


def noise(shape: tuple[int, int, int], dtype: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.normal(size=shape).astype(np.float32)
    return rng.integers(1, np.iinfo(dtype).max, shape, dtype=dtype)


@pytest.mark.parametrize("transform", [UTM, Affine(0.5, 0, 10, 0, 0.5, 20), Affine(0.1, 0.02, 5, 0.03, -0.1, 7)])
@pytest.mark.parametrize("crs", ["EPSG:32755", 'LOCAL_CS["quarry",UNIT["metre",1]]', None])
def test_places_are_kept_to_the_last_digit(tmp_path: Path, transform: Affine, crs: str | None) -> None:
    write(tmp_path / "a.tif", noise((3, 20, 20), "uint8"), transform=transform, crs=crs)
    geo, controlled = read_geo(tmp_path / "a.tif", inspect(tmp_path / "a.tif"))
    with rasterio.open(tmp_path / "a.tif") as file:
        assert geo is not None
        assert geo.transform == tuple(transform)[:6]
        assert geo.crs == ("" if file.crs is None else file.crs.to_wkt())
    assert not controlled


def test_control_points_are_no_place(tmp_path: Path) -> None:
    from rasterio.control import GroundControlPoint

    points = [GroundControlPoint(r, c, 100 + c, 200 - r) for r, c in ((0, 0), (0, 20), (20, 0), (20, 20))]
    bands = noise((3, 20, 20), "uint8")
    with rasterio.open(
        tmp_path / "a.tif",
        "w",
        driver="GTiff",
        count=3,
        height=20,
        width=20,
        dtype="uint8",
        gcps=points,
        crs="EPSG:32755",
    ) as out:
        out.write(bands)
    assert read_geo(tmp_path / "a.tif", inspect(tmp_path / "a.tif")) == (None, True)


@pytest.mark.parametrize(("low", "high"), [(0.0, 2.0), (-3e38, 3e38)])
def test_no_number_of_a_damaged_raster_is_warned_of(low: float, high: float) -> None:
    signaling = np.array([0x7F800001, 0xFF800001], np.uint32).view(np.float32)
    values = np.concatenate([signaling, np.array([np.inf, -np.inf, 3.4e38, -3.4e38], np.float32)])
    assert to_8_bits(values, low, high).tolist() == [0, 0, 255, 0, 255, 0]

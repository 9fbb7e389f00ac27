"""Export and cover say the same areas of the same run, those of the ellipsoid, also where the map stretches them."""

import json
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import shapely
from rasterio import Affine

import segpipe


@pytest.mark.parametrize("latitude", [60.0, -35.0])
def test_web_mercator(tmp_path: Path, latitude: float) -> None:
    x, y = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform(11.0, latitude)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60, (3, 96, 128), np.uint8)
    pixels[:, :, 64:] += 120
    profile = {"driver": "GTiff", "width": 128, "height": 96, "count": 3, "dtype": "uint8", "crs": "EPSG:3857"}
    (tmp_path / "maps").mkdir()
    with rasterio.open(tmp_path / "maps" / "a.tif", "w", transform=Affine(0.5, 0, x, 0, -0.5, y), **profile) as file:
        file.write(pixels)
    settings = {"cluster.k": 2, "train.method": "pca", "extract.size": 112, "refine.crf": False, "cover.draws": 100}
    run = tmp_path / "run"
    segpipe.run(tmp_path / "maps", run, backbone="classical", formats=["gpkg"], settings=settings, workers=1)
    _, _, geometry, fields = pyogrio.raw.read(run / "export/gpkg/map.gpkg", layer="epsg_3857", columns=["area_m2"])
    exported = float(fields[0].sum())
    said = json.loads((run / "cover/cover.json").read_text())
    covered = sum(row["area"] for row in said["whole"]["shares"])
    back, geod = pyproj.Transformer.from_crs(3857, 4326, always_xy=True), pyproj.Geod(ellps="WGS84")
    corners = np.array(shapely.segmentize(shapely.box(x, y - 48, x + 64, y), 1).exterior.coords)
    expected = abs(geod.polygon_area_perimeter(*back.transform(corners[:, 0], corners[:, 1]))[0])
    assert len(geometry) > 0
    assert exported == pytest.approx(expected, rel=1e-6)
    assert covered == pytest.approx(expected, rel=1e-5)  # the pixel in the middle stands for all
    planar = 48 * 64
    assert expected / planar == pytest.approx(np.cos(np.radians(latitude)) ** 2, rel=0.01)

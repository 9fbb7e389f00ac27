"""`cover` and `export` say the same areas of the same masks, and both say what the ground measures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from pyogrio import list_layers, raw
from rasterio.crs import CRS

from segpipe.base.runtime import Runtime
from segpipe.records.geo import Geo
from segpipe.stages import cover, export
from segpipe.store.corpus import load_corpus, save_corpus
from segpipe.store.cover import load_cover
from tests.helpers import report_run
from tests.helpers.geodesics import geodesic

LATITUDES = {"equator": 0.0, "south": -33.0, "north": 60.0, "far": 85.0}
SIDE = 0.5  # of a pixel, in meters of the map


def test_web_mercator_is_measured_alike_by_export_and_cover_and_geodesics(tmp_path: Path) -> None:
    run_dir = report_run.make_run(tmp_path, list(LATITUDES), classes=3)
    corpus = load_corpus(run_dir.path("corpus"))
    there = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    web, placed = CRS.from_epsg(3857).to_wkt(), []
    for image, latitude in zip(corpus.images, LATITUDES.values(), strict=True):
        x, y = there.transform(14.0, latitude)
        placed.append(replace(image, geo=Geo(web, (SIDE, 0, x, 0, -SIDE, y))))
    with run_dir.writing("corpus") as out:
        save_corpus(replace(corpus, images=tuple(placed)), [], out)

    export.run(export.Config(formats=("gpkg",)), run_dir, Runtime())
    meta, _, geometry, columns = raw.read(run_dir.path("export") / "gpkg/map.gpkg", layer="epsg_3857")
    rows = dict(zip(meta["fields"], columns, strict=True))
    polygons = shapely.from_wkb(geometry)
    cover.run(cover.Config(), run_dir, Runtime())
    found = load_cover(run_dir.path("cover"))

    back, geod = pyproj.Transformer.from_crs(3857, 4326, always_xy=True), pyproj.Geod(ellps="WGS84")
    total = 0.0

    def degrees(points: np.ndarray) -> np.ndarray:
        return np.stack(back.transform(*points.T), axis=1)

    for part, (name, latitude) in zip(found.images, LATITUDES.items(), strict=True):
        for share in part.shares:
            mine = (rows["image"] == name) & (rows["class"] == share.number)
            ground = around = 0.0
            for polygon in polygons[mine]:
                area, length = geodesic(polygon, geod, degrees, 20)
                ground, around = ground + area, around + length
            assert rows["area_m2"][mine].sum() == pytest.approx(ground, rel=1e-6)
            assert rows["perimeter_m"][mine].sum() == pytest.approx(around, rel=1e-6)
            assert share.area == pytest.approx(ground, rel=1e-5)  # by the mean pixel of the image
            flat = share.pixels * SIDE**2
            assert share.area == pytest.approx(flat * np.cos(np.radians(latitude)) ** 2, rel=7e-3)
            total += ground
    whole = [share.area or 0.0 for share in found.whole.shares]
    assert sum(whole) == pytest.approx(rows["area_m2"].sum(), rel=1e-9)
    assert sum(whole) == pytest.approx(total, rel=1e-6)


LOCAL = {
    "meters": ('LOCAL_CS["tank",UNIT["metre",1]]', 1.0),
    "feet": ('LOCAL_CS["tank",UNIT["foot",0.3048]]', 0.3048),
    "engineering": (
        'ENGCRS["tank",EDATUM["corner"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]',
        1.0,
    ),
    "none": ("", None),
}


@pytest.mark.parametrize("name", LOCAL)
def test_a_local_system_has_one_rule(tmp_path: Path, name: str) -> None:
    """A raster in meters that belong to no place on earth: export said 0.09 and cover nothing."""
    wkt, meters = LOCAL[name]
    run_dir = report_run.make_run(tmp_path, ["a"], classes=3)
    corpus = load_corpus(run_dir.path("corpus"))
    images = tuple(replace(image, geo=Geo(wkt, (0.01, 0, 5, 0, -0.01, 7))) for image in corpus.images)
    with run_dir.writing("corpus") as out:
        save_corpus(replace(corpus, images=images), [], out)
    export.run(export.Config(formats=("gpkg",)), run_dir, Runtime())
    path = run_dir.path("export") / "gpkg/map.gpkg"
    layer = next(name for name, kind in list_layers(path) if kind is not None)
    meta, _, _, columns = raw.read(path, layer=layer)
    rows = dict(zip(meta["fields"], columns, strict=True))
    cover.run(cover.Config(), run_dir, Runtime())
    areas = [share.area for share in load_cover(run_dir.path("cover")).whole.shares]
    if meters is None:
        assert "area_m2" not in rows
        assert areas == [None] * 3
    else:
        assert rows["area_m2"].sum() == pytest.approx(48 * 64 * (0.01 * meters) ** 2)
        for k, area in enumerate(areas):
            assert area == pytest.approx(rows["area_m2"][rows["class"] == k].sum())

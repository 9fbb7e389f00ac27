"""Shapefiles and GeoJSON are read back by GDAL (pyogrio), burnt into pixels again, and compared with pyproj."""

import json
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from pyogrio import raw

from segpipe.base.errors import MachineError
from segpipe.stages.export.formats import gis_layers
from segpipe.stages.export.formats import vector_files as maps
from tests.helpers.full_disk import room_for
from tests.helpers.planted_export import LEGEND, NAMES, PLACES, named, plant
from tests.stages.export.formats.test_gis_layers import LAYERS, burnt, table

ON_EARTH = ("north up", "south up", "rotated/ü 1", "degrees")


def read(path: Path) -> dict[str, np.ndarray]:
    meta, _, geometry, columns = raw.read(path)
    return {**dict(zip(meta["fields"], columns, strict=True)), "geometry": shapely.from_wkb(geometry)}


def test_shapefiles_hold_every_mask_pixel_for_pixel(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    source = plant(tmp_path)
    assert maps.export_shapefile(source, tmp_path / "out") == 2 * len(LAYERS)
    assert not recwarn.list
    gis_layers.export_gpkg(source, tmp_path / "out")
    for layer, names in LAYERS.items():
        path = tmp_path / "out/shapefile" / f"{layer}.shp"
        rows, other = read(path), table(tmp_path / "out/gpkg/map.gpkg", layer)
        assert [NAMES[k] for k in rows["class"]] == rows["name"].tolist()
        for name in names:
            np.testing.assert_array_equal(burnt(source, name, rows), source.mask(named(source, name)))
        area = next(column for column in rows if column.startswith("area"))
        np.testing.assert_allclose(rows[area], other[area], rtol=1e-6)
        perimeter = next(column for column in rows if column.startswith("perim"))
        np.testing.assert_allclose(rows[perimeter], other[perimeter.replace("perim", "perimeter")], rtol=1e-6)
        assert "categorizedSymbol" in path.with_suffix(".qml").read_text("utf-8")
    known = {layer: pyogrio.read_info(tmp_path / f"out/shapefile/{layer}.shp")["crs"] for layer in LAYERS}
    assert (known["epsg_32633"], known["epsg_4326"], known["pixels"]) == ("EPSG:32633", "EPSG:4326", None)


def test_long_texts_are_cut_between_letters(tmp_path: Path) -> None:
    long = type(LEGEND)(("ü" * 200, *NAMES[1:]), LEGEND.colors, LEGEND.classes_of)
    maps.export_shapefile(plant(tmp_path, legend=long, names=("photo",)), tmp_path / "out")
    assert "ü" * 127 in set(read(tmp_path / "out/shapefile/pixels.shp")["name"])


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_disk_that_is_full_leaves_no_shapefile_called_done(tmp_path: Path, share: float) -> None:
    source = plant(tmp_path / "masks", names=("north up",))
    maps.export_shapefile(source, tmp_path / "whole")
    maps.export_geojson(source, tmp_path / "whole")
    for write, name in ((maps.export_shapefile, "epsg_32633.shp"), (maps.export_geojson, "map.geojson")):
        (whole,) = (tmp_path / "whole").glob(f"*/{name}")
        with pytest.raises(MachineError), room_for(int(share * whole.stat().st_size)):
            write(source, tmp_path / "full")


def test_geojson_lies_where_pyproj_says(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = plant(tmp_path)
    caplog.set_level("INFO")
    assert maps.export_geojson(source, tmp_path / "out") == 1
    lost = len(PLACES) - len(ON_EARTH)
    assert f"geojson: {lost} images lie in no system that leads to degrees, and are left out" in caplog.text
    path = tmp_path / "out/geojson/map.geojson"
    rows = read(path)
    assert pyogrio.read_info(path)["crs"] == "EPSG:4326"
    assert set(rows["image"]) == set(ON_EARTH)
    assert shapely.is_ccw(shapely.get_exterior_ring(rows["geometry"])).all()
    gis_layers.export_gpkg(source, tmp_path / "out")
    for layer, code in (("epsg_32633", 32633), ("epsg_32634", 32634), ("epsg_4326", 4326)):
        other = table(tmp_path / "out/gpkg/map.gpkg", layer)
        mine = np.isin(rows["image"], LAYERS[layer])
        move = pyproj.Transformer.from_crs(code, 4326, always_xy=True).transform
        wanted = shapely.transform(other["geometry"], lambda xy, move=move: np.stack(move(*xy.T), 1))
        assert mine.sum() == len(wanted)
        # corners within a millimeter
        assert shapely.hausdorff_distance(rows["geometry"][mine], wanted).max() < 1e-8
        np.testing.assert_allclose(rows["area_m2"][mine], other["area_m2"], atol=1e-4)
        assert rows["class"][mine].tolist() == other["class"].tolist()
    text = json.loads(path.read_text("utf-8"))
    assert "crs" not in text  # RFC 7946 knows one system


def test_photographs_without_a_place_make_no_geojson(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert maps.export_geojson(plant(tmp_path, names=("photo",)), tmp_path / "out") == 0
    assert "geojson: 1 image lies in no system" in caplog.text
    assert list((tmp_path / "out/geojson").iterdir()) == []

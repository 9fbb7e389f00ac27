"""Maps are read back by GDAL (pyogrio) and pyarrow, and burnt into pixels again by GDAL's rasterizer."""

import json
import sys
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from pyarrow import parquet
from pyogrio import raw
from rasterio import features
from rasterio.transform import Affine

from segpipe.base.errors import MachineError
from segpipe.stages.export.formats import gis_layers as maps
from segpipe.stages.export.formats.qml import polygon_style
from segpipe.stages.export.formats.source import Source
from tests.helpers.full_disk import room_for
from tests.helpers.planted_export import (
    CLUSTERS,
    COLORS,
    DEGREES,
    LEFT_OUT,
    LEGEND,
    NAMES,
    SITE,
    UTM33,
    UTM34,
    in_tiles,
    named,
    plant,
)

LAYERS = {
    "epsg_32633": ("north up", "south up"),
    "epsg_32634": ("rotated/ü 1",),
    "epsg_4326": ("degrees",),
    "dive_site": ("site",),
    "unnamed": ("no system",),
    "pixels": ("photo", "photo.2", "sub dir/=3+1"),
}
FEET = 1200 / 3937


def table(path: Path, layer: str) -> dict[str, np.ndarray]:
    """Columns of a layer, geometry as shapely polygons."""
    meta, _, geometry, columns = raw.read(path, layer=layer)
    return {**dict(zip(meta["fields"], columns, strict=True)), "geometry": shapely.from_wkb(geometry)}


def burnt(source: Source, name: str, rows: dict[str, np.ndarray]) -> np.ndarray:
    image, mine = named(source, name), rows["image"] == name
    transform = Affine(*image.geo.transform) if image.geo else Affine(1, 0, 0, 0, -1, 0)
    pairs = list(zip(rows["geometry"][mine], rows["class"][mine], strict=True))
    shape = (image.size.height, image.size.width)
    return features.rasterize(pairs, shape, fill=source.legend.nodata, transform=transform, dtype="uint8")


def test_a_geopackage_holds_every_mask_pixel_for_pixel(tmp_path: Path) -> None:
    source = plant(tmp_path)
    assert maps.export_gpkg(source, tmp_path / "out") == 2
    path = tmp_path / "out/gpkg/map.gpkg"
    assert set(pyogrio.list_layers(path)[:, 0]) == {*LAYERS, "layer_styles"}
    for layer, names in LAYERS.items():
        rows = table(path, layer)
        assert set(rows["image"]) == set(names)
        assert shapely.is_valid(rows["geometry"]).all()
        assert shapely.is_ccw(shapely.get_exterior_ring(rows["geometry"])).all()
        assert [NAMES[k] for k in rows["class"]] == rows["name"].tolist()
        for name in names:
            np.testing.assert_array_equal(burnt(source, name, rows), source.mask(named(source, name)))


def test_a_geopackage_says_where_it_lies(tmp_path: Path) -> None:
    maps.export_gpkg(plant(tmp_path), tmp_path / "out")
    path = tmp_path / "out/gpkg/map.gpkg"
    known = {layer: pyogrio.read_info(path, layer=layer)["crs"] for layer in LAYERS}
    for layer, wkt in (("epsg_32633", UTM33), ("epsg_32634", UTM34), ("epsg_4326", DEGREES)):
        assert pyproj.CRS(known[layer]) == pyproj.CRS(wkt)
    assert pyproj.CRS(known["dive_site"]).is_engineering
    assert pyproj.CRS(known["dive_site"]).name == pyproj.CRS(SITE).name == "dive site"
    assert known["unnamed"] is known["pixels"] is None


def test_a_geopackage_holds_the_style_of_every_layer(tmp_path: Path) -> None:
    maps.export_gpkg(plant(tmp_path), tmp_path / "out")
    text = (tmp_path / "out/gpkg/map.qml").read_text("utf-8")
    assert text == polygon_style(NAMES, COLORS)
    meta, _, _, columns = raw.read(tmp_path / "out/gpkg/map.gpkg", layer="layer_styles")
    styles = dict(zip(meta["fields"], columns, strict=True))
    assert set(styles["f_table_name"]) == set(LAYERS)
    assert set(styles["styleQML"]) == {text}
    assert styles["useAsDefault"].all()
    assert set(styles["f_geometry_column"]) == {"geom"}


def test_areas_are_those_of_the_pixels(tmp_path: Path) -> None:
    source = plant(tmp_path)
    maps.export_gpkg(source, tmp_path / "out")
    path = tmp_path / "out/gpkg/map.gpkg"
    pixel = {"north up": 0.25, "south up": 0.0625, "rotated/ü 1": 0.25, "site": (0.1 * FEET) ** 2}
    for layer, names in LAYERS.items():
        rows = table(path, layer)
        metric = layer not in ("unnamed", "pixels")
        assert ("area_m2" in rows, "perimeter_m" in rows) == (metric, metric)
        assert ("area_px" in rows, "perimeter_px" in rows) == (not metric, not metric)
        for name in names:
            mask, mine = source.mask(named(source, name)), rows["image"] == name
            pixels = np.bincount(mask.ravel(), minlength=256)[: len(NAMES)]
            areas = rows["area_m2" if metric else "area_px"]
            found = np.bincount(rows["class"][mine], areas[mine], len(NAMES))
            if name == "degrees":
                geod = pyproj.Geod(ellps="WGS84")
                expected = [geod.geometry_area_perimeter(polygon)[0] for polygon in rows["geometry"][mine]]
                np.testing.assert_allclose(areas[mine], expected, rtol=1e-4)  # edges of its own are geodesics
            else:
                np.testing.assert_allclose(found, pixels * pixel.get(name, 1.0))
    rows = table(path, "epsg_32633")
    edges = rows["perimeter_m"][rows["image"] == "north up"]
    np.testing.assert_allclose(edges, shapely.length(rows["geometry"][rows["image"] == "north up"]))


def test_small_regions_join_others_and_corners_are_dropped(tmp_path: Path) -> None:
    exact = plant(tmp_path, legend=LEFT_OUT)
    source = plant(tmp_path, legend=LEFT_OUT, min_area=12, simplify=1.5)
    maps.export_gpkg(source, tmp_path / "out")
    maps.export_gpkg(exact, tmp_path / "exact")
    for layer, names in LAYERS.items():
        rows, all_rows = (table(tmp_path / folder / "gpkg/map.gpkg", layer) for folder in ("out", "exact"))
        area = "area_m2" if "area_m2" in rows else "area_px"
        for name in names:
            mine, full = rows["image"] == name, all_rows["image"] == name
            assert shapely.coverage_is_valid(rows["geometry"][mine])
            assert rows[area][mine].sum() == pytest.approx(all_rows[area][full].sum(), rel=1e-6)
            image = named(source, name)
            covered = burnt(source, name, rows) != 255
            np.testing.assert_array_equal(covered, source.mask(image) != 255)
            clean = source.clean_mask(image)
            if name != "sub dir/=3+1":
                assert mine.sum() < full.sum()
                assert (burnt(source, name, rows) == clean).mean() > 0.9
                fewer = shapely.get_num_coordinates(rows["geometry"][mine]).sum()
                assert fewer < 0.8 * shapely.get_num_coordinates(all_rows["geometry"][full]).sum()


def test_a_layer_for_each_image_and_meters_per_pixel(tmp_path: Path) -> None:
    source = plant(tmp_path, layers="image", gsd=0.01)
    maps.export_gpkg(source, tmp_path / "out")
    path = tmp_path / "out/gpkg/map.gpkg"
    assert set(pyogrio.list_layers(path)[:, 0]) == {*(i.id for i in source.corpus.images), "layer_styles"}
    rows = table(path, "photo")
    shown = (source.mask(named(source, "photo")) != 255).sum()
    assert rows["area_m2"].sum() == pytest.approx(shown * 1e-4)
    np.testing.assert_allclose(rows["perimeter_m"], shapely.length(rows["geometry"]) * 0.01)
    rows = table(path, "north up")  # its coordinates say more than the setting
    assert rows["area_m2"].sum() == pytest.approx((source.mask(named(source, "north up")) != 255).sum() / 4)
    assert maps.export_geoparquet(source, tmp_path / "out") == 2 * len(source.corpus.images)
    assert (tmp_path / "out/geoparquet/rotated/ü 1.parquet").is_file()


def test_geoparquet_holds_the_same_and_says_what_it_is(tmp_path: Path) -> None:
    source = plant(tmp_path)
    maps.export_gpkg(source, tmp_path / "out")
    assert maps.export_geoparquet(source, tmp_path / "out") == 2 * len(LAYERS)
    for layer in LAYERS:
        path = tmp_path / f"out/geoparquet/{layer}.parquet"
        assert path.with_suffix(".qml").is_file()
        read = parquet.read_table(path)
        expected = table(tmp_path / "out/gpkg/map.gpkg", layer)
        polygons = shapely.from_wkb(read["geometry"].to_numpy())
        assert shapely.equals_exact(polygons, expected.pop("geometry"), 0).all()
        for name, values in expected.items():
            assert read[name].to_pylist() == values.tolist()
        geo = json.loads(parquet.read_metadata(path).metadata[b"geo"])
        assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
        column = geo["columns"]["geometry"]
        assert (column["encoding"], column["geometry_types"]) == ("WKB", ["Polygon"])
        assert column["orientation"] == "counterclockwise"
        assert column["bbox"] == list(shapely.total_bounds(polygons))
        boxes = [[row[edge] for edge in ("xmin", "ymin", "xmax", "ymax")] for row in read["bbox"].to_pylist()]
        np.testing.assert_array_equal(boxes, shapely.bounds(polygons))
        wkt = {"epsg_32633": UTM33, "epsg_32634": UTM34, "epsg_4326": DEGREES, "dive_site": SITE}.get(layer)
        if wkt is None:
            assert column["crs"] is None
        elif wkt == SITE:
            assert pyproj.CRS.from_json_dict(column["crs"]).name == "dive site"
        else:
            assert pyproj.CRS.from_json_dict(column["crs"]) == pyproj.CRS(wkt)


def test_geoparquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = plant(tmp_path, names=("photo",))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MachineError, match=r"pip install segpipe\[parquet\]"):
        maps.export_geoparquet(source, tmp_path / "out")


def test_maps_do_not_depend_on_batches_and_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = plant(tmp_path)
    maps.export_gpkg(source, tmp_path / "one")
    monkeypatch.setattr("segpipe.stages.export.formats.geo_polygons._BATCH", 7)
    maps.export_gpkg(source, tmp_path / "many")
    for layer in LAYERS:
        one, many = (table(tmp_path / folder / "gpkg/map.gpkg", layer) for folder in ("one", "many"))
        assert (one.pop("geometry") == many.pop("geometry")).all()
        assert {k: v.tolist() for k, v in one.items()} == {k: v.tolist() for k, v in many.items()}


@pytest.mark.parametrize("chosen", [{}, {"min_area": 6}, {"simplify": 1.0}])
def test_maps_do_not_depend_on_tiles_and_on_how_many_outlines_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, float]
) -> None:
    source = plant(tmp_path, names=("north up", "photo"), **chosen)
    maps.export_gpkg(source, tmp_path / "one")
    maps.export_geoparquet(source, tmp_path / "one")
    monkeypatch.setattr("segpipe.stages.export.formats.geo_polygons._CORNERS", 60)
    tiled = in_tiles(source, "north up", 16)
    maps.export_gpkg(tiled, tmp_path / "many")
    maps.export_geoparquet(tiled, tmp_path / "many")
    for layer in ("epsg_32633", "pixels"):
        one, many = (table(tmp_path / folder / "gpkg/map.gpkg", layer) for folder in ("one", "many"))
        assert len(one["class"]) > 10
        assert (one.pop("geometry") == many.pop("geometry")).all()
        assert {k: v.tolist() for k, v in one.items()} == {k: v.tolist() for k, v in many.items()}
        paths = [tmp_path / folder / f"geoparquet/{layer}.parquet" for folder in ("one", "many")]
        assert parquet.read_table(paths[0]).equals(parquet.read_table(paths[1]))


def test_a_map_without_any_class_is_empty(tmp_path: Path) -> None:
    nothing = type(LEGEND)((), COLORS[:0], np.full(CLUSTERS, -1))
    source = plant(tmp_path, legend=nothing, names=("photo", "degrees"))
    maps.export_gpkg(source, tmp_path / "out")
    maps.export_geoparquet(source, tmp_path / "out")
    assert len(table(tmp_path / "out/gpkg/map.gpkg", "pixels")["geometry"]) == 0
    assert parquet.read_table(tmp_path / "out/geoparquet/epsg_4326.parquet").num_rows == 0


def test_a_geopackage_that_finds_no_room_is_an_error(tmp_path: Path) -> None:
    source = plant(tmp_path / "masks")
    maps.export_gpkg(source, tmp_path / "whole")
    size = (tmp_path / "whole" / "gpkg" / "map.gpkg").stat().st_size
    for share in (0.0, 0.2, 0.5, 0.9):
        with (
            pytest.raises(MachineError, match=r"map\.gpkg: (cannot be written|the file would grow|the disk cannot)"),
            room_for(int(share * size)),
        ):
            maps.export_gpkg(source, tmp_path / f"{share}")


def test_a_geopackage_that_is_not_whole_is_told(tmp_path: Path) -> None:
    source = plant(tmp_path / "masks")
    maps.export_gpkg(source, tmp_path)
    path = tmp_path / "gpkg" / "map.gpkg"
    rows = {name: pyogrio.read_info(path, layer=name)["features"] for name, kind in pyogrio.list_layers(path) if kind}
    maps.check_geopackage(path, rows)
    (layer, *_), content = rows, path.read_bytes()
    for wrong in ({**rows, layer: rows[layer] + 1}, {**rows, 'no "layer"': 0}):
        with pytest.raises(MachineError, match="not all of it arrived"):
            maps.check_geopackage(path, wrong)
    for kept in (0, 100, len(content) // 2, len(content) - 4096):
        path.write_bytes(content[:kept])
        with pytest.raises(MachineError, match="not all of it arrived"):
            maps.check_geopackage(path, rows)

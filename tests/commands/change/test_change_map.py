"""The change map as COG and GeoPackage."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from pyogrio import raw
from rasterio.crs import CRS

from segpipe.base.geometry import Box, Size
from segpipe.commands.change.change_map import moved_geo, plain_map, write_cog, write_polygons
from segpipe.images.decoding import quiet
from segpipe.records.geo import Geo
from segpipe.records.legend import plain_legend

GEO = Geo(CRS.from_epsg(32755).to_wkt(), (0.5, 0, 500_000, 0, -0.5, 7_800_000))
SIZE = Size(600, 700)


def drawn() -> np.ndarray:
    maps = np.zeros((SIZE.height, SIZE.width, 3), np.uint8)
    maps[100:140, 500:530, 1] = 2  # class 0 is class 2 now; over the border of a block
    maps[100:140, 500:530, 2] = 255
    maps[10:12, 10:12, :] = (1, 0, 100)  # a speck
    maps[300:400, :50, 1] = 255  # no class at the second date
    return maps


@pytest.mark.parametrize("geo", [GEO, None])
def test_a_map_is_written_and_read(tmp_path: Path, geo: Geo | None) -> None:
    maps, legend = drawn(), plain_legend(3)
    with plain_map(tmp_path, SIZE, geo) as (plain, put, close):
        for top in (0, 512):
            box = Box(top, 0, min(512, SIZE.height - top), SIZE.width)
            put(box, maps[box.slices])
        close()
        write_cog(plain, tmp_path / "a.tif", SIZE, legend)
        count = write_polygons(plain, tmp_path / "c.gpkg", "change", geo, legend, least=25, append=False)
        more = write_polygons(plain, tmp_path / "c.gpkg", "every", geo, legend, least=1, append=False)
    assert (count, more) == (1, 2)
    with quiet(), rasterio.open(tmp_path / "a.tif") as file:
        bands = np.moveaxis(file.read(), 0, -1)
        assert file.nodata == 255
        assert file.descriptions[0] == "class at the first date"
        assert (file.crs is None) == (geo is None)
    np.testing.assert_array_equal(bands[..., :2], maps[..., :2])
    assert bands[120, 515].tolist() == [0, 2, 254]
    assert bands[350, 20].tolist() == [0, 255, 255]
    info, _, shapes, columns = raw.read(tmp_path / "c.gpkg", layer="change")
    values = dict(zip(info["fields"], (column[0] for column in columns), strict=True))
    area = "area_m2" if geo else "area_px"
    assert {key: values[key] for key in ("from", "to", "from_name", "to_name")} == {
        "from": 0, "to": 2, "from_name": "class 0", "to_name": "class 2",
    }  # fmt: skip
    assert values["certainty"] == pytest.approx(1)
    assert values[area] == pytest.approx(1200 * (0.25 if geo else 1))
    bounds = shapely.from_wkb(shapes[0]).bounds
    assert bounds == ((500_250, 7_799_930, 500_265, 7_799_950) if geo else (500, -140, 530, -100))


def test_a_map_on_which_nothing_changed(tmp_path: Path) -> None:
    with plain_map(tmp_path, Size(64, 64), GEO) as (plain, put, close):
        put(Box(0, 0, 64, 64), np.zeros((64, 64, 3), np.uint8))
        close()
        assert write_polygons(plain, tmp_path / "c.gpkg", "change", GEO, plain_legend(2), least=1, append=False) == 0
    assert len(raw.read(tmp_path / "c.gpkg", layer="change")[2]) == 0


def test_a_box_of_a_raster_lies_where_it_lies() -> None:
    assert moved_geo(None, Box(3, 4, 5, 6)) is None
    moved = moved_geo(GEO, Box(10, 20, 5, 6))
    assert moved is not None
    assert moved.at(0, 0) == GEO.at(10, 20)

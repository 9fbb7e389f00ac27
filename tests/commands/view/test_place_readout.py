from pathlib import Path

import pytest
import rasterio.crs

from segpipe.commands.view.index_tiles import IndexTiles
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.commands.view.place_readout import on_earth, read_place
from segpipe.commands.view.tile_cache import TileCache
from segpipe.records.geo import Geo
from segpipe.store import masks


def test_a_place_of_a_photograph(finished: Path, tmp_path: Path) -> None:
    run = OpenedRun(finished)
    tiles = IndexTiles(run, TileCache(tmp_path, memory=1 << 20, disk=0), memory=1 << 20)
    image = run.corpus.images[2]
    mask = masks.read_mask(masks.mask_path(finished / "masks", image.id))
    found = read_place(run, tiles, 2, 17.9, 30.2)
    assert found["cluster"] == mask[17, 30]
    assert found["world"] is None
    with pytest.raises(NotHere):
        read_place(run, tiles, 2, image.size.height, 0)


def test_world_coordinates_have_a_system_and_degrees() -> None:
    utm = rasterio.crs.CRS.from_epsg(32754).to_wkt()
    found = on_earth(Geo(utm, (0.5, 0, 500_000, 0, -0.5, 8_000_000)), 0, 0)
    assert found["world"] == [500_000, 8_000_000]
    assert found["crs"] == "EPSG:32754"
    assert found["lonlat"] == pytest.approx([141.0, -18.0887], abs=1e-3)  # the middle of zone 54
    assert on_earth(Geo("", (1, 0, 0, 0, -1, 0)), 1, 1) == {"world": [1, -1], "crs": None, "lonlat": None}

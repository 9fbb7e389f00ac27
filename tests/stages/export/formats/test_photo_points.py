"""Places of photographs, read back by GDAL."""

import logging
from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from pyogrio import raw

from segpipe.stages.export.formats import photo_points as places
from tests.helpers.planted_export import (
    LEFT_OUT,
    NAMES,
    named,
    plant,
)


def table(path: Path, layer: str) -> dict[str, np.ndarray]:
    """Columns of a layer, geometry as shapely polygons."""
    meta, _, geometry, columns = raw.read(path, layer=layer)
    return {**dict(zip(meta["fields"], columns, strict=True)), "geometry": shapely.from_wkb(geometry)}


def test_photographs_are_points_with_the_cover_of_each_class(tmp_path: Path) -> None:
    source = plant(tmp_path, legend=LEFT_OUT)
    assert places.export_points(source, tmp_path / "out") == 1
    path = tmp_path / "out/points/points.gpkg"
    rows = table(path, "photographs")
    assert pyproj.CRS(pyogrio.read_info(path)["crs"]) == pyproj.CRS("EPSG:4326")
    assert rows["image"].tolist() == ["photo", "photo.2"]
    assert [(p.x, p.y) for p in rows["geometry"]] == [(145.25, -16.5), (145.5, -16.6)]
    for i, name in enumerate(rows["image"]):
        mask = source.mask(named(source, name))
        assert rows["unclassified"][i] == pytest.approx((mask == 255).mean())
        for k, title in enumerate(NAMES[:3]):
            assert rows[title][i] == pytest.approx((mask == k).sum() / (mask != 255).sum())


def test_no_photograph_says_where_it_was_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = plant(tmp_path, names=("degrees",))
    with caplog.at_level(logging.WARNING):
        assert places.export_points(source, tmp_path / "out") == 0
    assert "no image says where it was taken" in caplog.text
    assert not (tmp_path / "out").exists()

"""Layer styles of QGIS."""

from pathlib import Path
from xml.etree import ElementTree as Xml

from pyogrio import raw

from segpipe.stages.export.formats import gis_layers as maps
from tests.helpers.planted_export import (
    COLORS,
    NAMES,
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


def test_the_style_names_and_colors_the_classes(tmp_path: Path) -> None:
    maps.export_gpkg(plant(tmp_path), tmp_path / "out")
    text = (tmp_path / "out/gpkg/map.qml").read_text("utf-8")
    root = Xml.fromstring(text)
    assert root.tag == "qgis"
    renderer = root.find("renderer-v2")
    assert renderer is not None
    assert (renderer.get("type"), renderer.get("attr")) == ("categorizedSymbol", "class")
    symbols = {symbol.get("name"): symbol for symbol in renderer.findall("symbols/symbol")}
    categories = renderer.findall("categories/category")
    assert [category.get("label") for category in categories] == list(NAMES)
    for k, category in enumerate(categories):
        assert category.get("value") == str(k)
        options = {o.get("name"): o.get("value") for o in symbols[category.get("symbol")].iter("Option")}
        assert options["color"] == ",".join(map(str, (*COLORS[k].tolist(), 255)))
    meta, _, _, columns = raw.read(tmp_path / "out/gpkg/map.gpkg", layer="layer_styles")
    styles = dict(zip(meta["fields"], columns, strict=True))
    assert set(styles["f_table_name"]) == set(LAYERS)
    assert set(styles["styleQML"]) == {text}
    assert styles["useAsDefault"].all()
    assert set(styles["f_geometry_column"]) == {"geom"}

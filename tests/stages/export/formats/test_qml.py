"""Layer styles of QGIS."""

from xml.etree import ElementTree as Xml

import numpy as np

from segpipe.stages.export.formats.qml import polygon_style
from tests.helpers.planted_export import COLORS, NAMES


def test_the_style_names_and_colors_the_classes() -> None:
    text = polygon_style(NAMES, COLORS)
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


def test_a_style_is_xml_whatever_classes_are_called() -> None:
    names = ("tab\tand\x00zero", "<&>\"'", "\N{SNOWMAN}")
    text = polygon_style(names, np.zeros((3, 3), np.uint8), attribute="kl&sse")
    assert text.startswith("<!DOCTYPE qgis ")
    root = Xml.fromstring(text)
    labels = [category.get("label") for category in root.iter("category")]
    assert labels == ["tab and zero", "<&>\"'", "\N{SNOWMAN}"]
    renderer = root.find("renderer-v2")
    assert renderer is not None
    assert renderer.get("attr") == "kl&sse"
    assert root.findtext("layerGeometryType") == "2"  # polygons, to QGIS


def test_fills_have_no_outline_so_that_pixels_lie_beside_each_other() -> None:
    root = Xml.fromstring(polygon_style(("sand",), np.array([[1, 2, 3]], np.uint8)))
    (layer,) = root.iter("layer")
    assert layer.get("class") == "SimpleFill"
    options = {option.get("name"): option.get("value") for option in layer.iter("Option")}
    assert options == {None: None, "color": "1,2,3,255", "style": "solid", "outline_style": "no"}

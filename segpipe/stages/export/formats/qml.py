"""Layer styles of QGIS: a color and a name for every class."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

import numpy as np
import numpy.typing as npt

_TYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"


def polygon_style(names: tuple[str, ...], colors: npt.NDArray[np.uint8], *, attribute: str = "class") -> str:
    """A style that fills polygons by their class (categorized renderer of QGIS 3).

    Args:
        names: of the classes, shown in the layer tree.
        colors: (classes, 3) RGB.
        attribute: the field that holds the class as an integer.

    Returns:
        The text of a `.qml` file.
    """
    root = Xml.Element("qgis", version="3.28.0", styleCategories="Symbology")
    renderer = Xml.SubElement(
        root, "renderer-v2", type="categorizedSymbol", attr=attribute, symbollevels="0", enableorderby="0"
    )
    categories, symbols = Xml.SubElement(renderer, "categories"), Xml.SubElement(renderer, "symbols")
    for k, (name, color) in enumerate(zip(names, colors.tolist(), strict=True)):
        Xml.SubElement(
            categories, "category", value=str(k), type="integer", symbol=str(k), label=_printable(name), render="true"
        )
        symbol = Xml.SubElement(symbols, "symbol", name=str(k), type="fill", alpha="1", clip_to_extent="1")
        layer = Xml.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
        options = Xml.SubElement(layer, "Option", type="Map")
        fill = ",".join(map(str, (*color, 255)))
        for key, value in (("color", fill), ("style", "solid"), ("outline_style", "no")):
            Xml.SubElement(options, "Option", name=key, type="QString", value=value)
    Xml.SubElement(root, "layerGeometryType").text = "2"
    Xml.indent(root, " ")
    return _TYPE + Xml.tostring(root, encoding="unicode") + "\n"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)  # XML has no control characters

"""Label Studio: tasks with the classes as brush strokes, to be looked through and mended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

import numpy as np

from segpipe.base import files
from segpipe.base.printable import readable
from segpipe.records.corpus import Image
from segpipe.records.palette import hex_colors
from segpipe.stages.export.formats.source import Source
from segpipe.stages.export.vector.rle import brush


def export_labelstudio(source: Source, out: Path) -> int:
    """`labelstudio/tasks.json`, a prediction for each image, and the labeling interface `labelstudio/config.xml`.

    An image's address is `export.image_url` and its path below the folder that was indexed.
    """
    folder = out / "labelstudio"
    with files.atomic(folder / "tasks.json") as beside, beside.open("w", encoding="utf-8") as file:
        file.write("[")
        for i, (_, task) in enumerate(source.map(lambda image: _task(source, image), "labelstudio images")):
            file.write((",\n" if i else "\n") + json.dumps(task, ensure_ascii=False))
        file.write("\n]\n")
    files.write_text(folder / "config.xml", _interface(source))
    return 2


def _task(source: Source, image: Image) -> dict[str, Any]:
    mask = source.clean_mask(image)
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=source.legend.classes)[: source.legend.classes])
    result = [
        {
            "id": files.digest([image.id, k])[:10],
            "type": "brushlabels",
            "from_name": "class",
            "to_name": "image",
            "original_width": image.size.width,
            "original_height": image.size.height,
            "image_rotation": 0,
            "value": {"format": "rle", "rle": brush(mask, k), "brushlabels": [readable(source.legend.names[k])]},
        }
        for k in present.tolist()
    ]
    address = source.settings.image_url + quote(image.path.encode("utf-8", "surrogateescape"))
    return {"data": {"image": address}, "predictions": [{"model_version": "segpipe", "result": result}]}


def _interface(source: Source) -> str:
    view = Xml.Element("View")
    Xml.SubElement(view, "Image", name="image", value="$image", zoom="true")
    labels = Xml.SubElement(view, "BrushLabels", name="class", toName="image")
    for name, color in zip(source.legend.names, hex_colors(source.legend.colors), strict=True):
        Xml.SubElement(labels, "Label", value=readable(name), background=color)
    Xml.indent(view)
    return Xml.tostring(view, encoding="unicode") + "\n"

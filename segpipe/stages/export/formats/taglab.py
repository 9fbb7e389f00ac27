"""TagLab: label images in the classes' colors, and the dictionary that names them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image as Pillow

from segpipe.base import files
from segpipe.base.printable import readable
from segpipe.plots.overlay import colorize
from segpipe.records.corpus import Image
from segpipe.stages.export.formats.sanitize import distinct, unique
from segpipe.stages.export.formats.source import Source


def export_taglab(source: Source, out: Path) -> int:
    """`taglab/<id>.png`, RGB at the image's own size, black where there is no class; `taglab/dictionary.json`.

    TagLab knows a class by its color, and white and black as no class: where two classes of the legend share a color
    or have one of those, they get another here and in the dictionary.
    """
    legend = source.legend
    colors = distinct(legend.colors, reserved=[(0, 0, 0), (255, 255, 255)])

    def write(image: Image, path: Path) -> None:
        Pillow.fromarray(colorize(source.clean_mask(image), colors, legend.nodata)).save(path, "PNG")

    written = source.each(write, out / "taglab", ".png")
    labels = [
        {
            "id": name,
            "name": name,
            "description": None,
            "fill": color,
            "border": [200, 200, 200],
            "visible": True,
        }
        for name, color in zip(unique(map(readable, legend.names), ["Empty"]), colors.tolist(), strict=True)
    ]
    content = {"Name": "segpipe", "Description": "classes found without labels by segpipe", "Labels": labels}
    files.write_json(out / "taglab" / "dictionary.json", content)
    return written + 1

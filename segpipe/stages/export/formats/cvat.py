"""CVAT: the archive that "Upload annotations, Segmentation mask 1.1" takes."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from segpipe.base import files
from segpipe.base.errors import CorpusError
from segpipe.base.printable import readable
from segpipe.plots.overlay import colorize
from segpipe.records.corpus import Image
from segpipe.records.palette import hex_colors
from segpipe.stages.export.formats.sanitize import distinct, unique
from segpipe.stages.export.formats.source import Source
from segpipe.stages.export.vector.regions import Int64, Regions

_INSTANCES = 255  # of an image, as readers know colors for


def export_cvat(source: Source, out: Path) -> int:
    """`cvat/annotations.zip` and `cvat/labels.json`.

    The archive holds labelmap.txt, SegmentationClass/, SegmentationObject/ and ImageSets/ of CVAT's segmentation mask
    1.1. The list of labels is what a new task's constructor takes as "Raw": the archive goes to a task that has them.

    Pixels without a class are `background`, black. The format tells 255 objects of an image apart: where there are
    more regions, the smallest of each class are one object.

    Raises:
        CorpusError: an image shows more than 255 classes.
    """
    names = unique([readable(name).replace(":", " ").strip() for name in source.legend.names], ["background"])
    colors = distinct(source.legend.colors)

    def draw(image: Image) -> tuple[bytes, bytes]:
        regions = source.regions(image)
        objects = np.append(_objects(regions, image), 0).astype(np.uint8)  # -1 is the last
        # one picture at a time: they are large
        classes = _png(colorize(regions.mask(source.legend.nodata), colors, source.legend.nodata))
        return classes, _png(voc_colors(_INSTANCES + 1)[objects[regions.labels]])

    folder = out / "cvat"
    labels = [
        {"name": name, "color": color, "attributes": list[str]()}
        for name, color in zip(names, hex_colors(colors), strict=True)
    ]
    files.write_json(folder / "labels.json", labels)
    with zipfile.ZipFile(folder / "annotations.zip", "w") as archive:
        lines = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
        lines += [f"{name}:{','.join(map(str, color))}::" for name, color in zip(names, colors.tolist(), strict=True)]
        _add(archive, "labelmap.txt", "\n".join(lines) + "\n")
        ids = [readable(image.id) for image in source.corpus.images]
        _add(archive, "ImageSets/Segmentation/default.txt", "\n".join(ids) + "\n")
        for image, (classes, objects) in source.map(draw, "cvat images"):
            _add(archive, f"SegmentationClass/{readable(image.id)}.png", classes)
            _add(archive, f"SegmentationObject/{readable(image.id)}.png", objects)
    return 2


def voc_colors(count: int) -> npt.NDArray[np.uint8]:
    """The colors of Pascal VOC (count, 3): the bits of an index go to R, G and B in turns, the highest bits first.

    >>> voc_colors(4).tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    index, colors = np.arange(count), np.zeros((count, 3), np.uint8)
    for bit in range(24):
        colors[:, bit % 3] |= ((index >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colors


def _objects(regions: Regions, image: Image) -> Int64:
    """A number from 1 for each region."""
    count = len(regions.sizes)
    if count <= _INSTANCES:
        return np.arange(1, count + 1)
    kinds, kind = np.unique(regions.classes, return_inverse=True)
    if len(kinds) > _INSTANCES:
        raise CorpusError(f"{image.id} shows {len(kinds)} classes; cvat tells {_INSTANCES} objects apart")
    largest = np.argsort(-regions.sizes, kind="stable")[: _INSTANCES - len(kinds)]
    objects = 1 + kind.astype(np.int64)
    objects[largest] = len(kinds) + 1 + np.arange(len(largest))
    return objects


def _png(rgb: npt.NDArray[np.uint8]) -> bytes:
    target = io.BytesIO()
    Pillow.fromarray(rgb).save(target, "PNG")
    return target.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: str | bytes) -> None:
    """PNGs are packed already; a fixed date makes the same archive of the same masks."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_STORED if isinstance(content, bytes) else zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)

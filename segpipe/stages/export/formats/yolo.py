"""YOLO segmentation data sets: a text file per image, a line per region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from segpipe.base import files
from segpipe.base.printable import readable
from segpipe.records.corpus import Image
from segpipe.stages.export.formats.image_links import put_image
from segpipe.stages.export.formats.source import Source
from segpipe.stages.export.vector.keyhole import one_ring
from segpipe.stages.export.vector.polygons import outline, simplify


def labels_of(image_id: str) -> str:
    """Where Ultralytics looks for the labels of `images/<id>.<ending>`, from the folder of the data set.

    It replaces the last `/images/` of an image's path by `/labels/` (`img2label_paths` of ultralytics.data.utils); an
    image without a file of labels there counts as background, and nothing is said.

    >>> labels_of("bay/reef"), labels_of("dive/images/reef")
    ('labels/bay/reef.txt', 'images/dive/labels/reef.txt')
    """
    head, _, tail = f"/images/{image_id}".rpartition("/images/")
    return f"{head}/labels/{tail}.txt".removeprefix("/")


def export_yolo(source: Source, out: Path) -> int:
    """`yolo/labels/<id>.txt`, `yolo/images/` (as `export.images` says) and `yolo/data.yaml`.

    A line is the class and the corners of a region's outline as shares of width and height; a hole is joined to the
    outline by a cut. Nothing splits the images: `train` and `val` of data.yaml are the same folder. Of an image in a
    sub-folder `images/` the labels lie beside that folder: see `labels_of`.
    """
    folder = out / "yolo"

    def write(image: Image) -> int:
        regions = source.regions(image)
        polygons = simplify(outline(regions), source.settings.simplify)
        size = np.array([image.size.width, image.size.height])
        lines = [
            " ".join([str(kind), *(f"{share:.7g}" for share in (one_ring(polygon) / size).ravel().tolist())]) + "\n"
            for kind, polygon in zip(regions.classes.tolist(), polygons, strict=True)
        ]
        files.write_text(files.inside(folder, labels_of(image.id)), "".join(lines))
        return 1 + put_image(source, image, folder / "images")

    written = sum(count for _, count in source.map(write, "yolo images"))
    names = {k: readable(name) for k, name in enumerate(source.legend.names)}
    text = yaml.safe_dump({"train": "images", "val": "images", "names": names}, sort_keys=False, allow_unicode=True)
    files.write_text(folder / "data.yaml", text)
    return written + 1

"""COCO: one JSON of all regions, read by pycocotools and by most programs for labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base.printable import readable
from segpipe.records.corpus import Image
from segpipe.stages.export.formats.source import Source
from segpipe.stages.export.vector.keyhole import one_ring
from segpipe.stages.export.vector.polygons import outline, simplify
from segpipe.stages.export.vector.regions import boxes
from segpipe.stages.export.vector.rle import coco_counts


def export_coco(source: Source, out: Path) -> int:
    """`coco/annotations.json`: an annotation per region, categories numbered from 1.

    `segmentation` is run lengths (compressed RLE), which are exact; or with `export.coco=polygon` one ring, joined to
    its holes by cuts. `area` and `bbox` are those of the pixels.
    """
    path = out / "coco" / "annotations.json"
    with files.atomic(path) as beside, beside.open("w", encoding="utf-8") as file:
        head = {
            "info": {"description": "classes found without labels by segpipe", "version": "1.0"},
            "licenses": [],
            "categories": [
                {"id": k + 1, "name": readable(name), "supercategory": "", "color": color}
                for k, (name, color) in enumerate(zip(source.legend.names, source.legend.colors.tolist(), strict=True))
            ],
            "images": [
                {
                    "id": i + 1,
                    "file_name": readable(image.path),
                    "width": image.size.width,
                    "height": image.size.height,
                }
                for i, image in enumerate(source.corpus.images)
            ],
        }
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "annotations": [')
        number = 0
        for i, (_, found) in enumerate(source.map(lambda image: _annotations(source, image), "coco images")):
            for entry in found:  # written as they come: there may be millions
                file.write(",\n" if number else "\n")
                number += 1
                file.write(json.dumps({"id": number, "image_id": i + 1, **entry}))
        file.write("\n]}\n")
    return 1


def _annotations(source: Source, image: Image) -> list[dict[str, Any]]:
    regions = source.regions(image)
    count = len(regions.sizes)
    if source.settings.coco == "rle":
        size = list(regions.labels.shape)
        shapes: list[Any] = [{"size": size, "counts": text} for text in coco_counts(regions.labels, count)]
    else:
        polygons = simplify(outline(regions), source.settings.simplify)
        shapes = [[one_ring(polygon).ravel().tolist()] for polygon in polygons]
    return [
        {
            "category_id": int(kind) + 1,
            "segmentation": shape,
            "area": int(size),
            "bbox": [left, top, right - left, bottom - top],
            "iscrowd": 0,
        }
        for kind, shape, size, (top, left, bottom, right) in zip(
            regions.classes, shapes, regions.sizes, boxes(regions).tolist(), strict=True
        )
    ]

"""Brushes of Label Studio, read back by a plain reading of their format."""

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np

from segpipe.stages.export.formats import labelstudio
from tests.helpers.planted_export import LEFT_OUT, NAMES, SIZES, named, plant
from tests.stages.export.vector.test_rle import plain_brush

PHOTOS = ("photo", "photo.2", "sub dir/=3+1", "rotated/ü 1")


def test_label_studio_brushes_are_the_classes(tmp_path: Path) -> None:
    source = plant(tmp_path, names=PHOTOS, legend=LEFT_OUT)
    assert labelstudio.export_labelstudio(source, tmp_path) == 2
    tasks = json.loads((tmp_path / "labelstudio/tasks.json").read_text("utf-8"))
    assert [task["data"]["image"] for task in tasks] == [
        "/data/local-files/?d=photo.png",
        "/data/local-files/?d=photo.2.png",
        "/data/local-files/?d=sub%20dir/%3D3%2B1.png",
        "/data/local-files/?d=rotated/%C3%BC%201.png",
    ]
    ids = []
    for name, task in zip(PHOTOS, tasks, strict=True):
        mask = np.full(SIZES[name], 255, np.uint8)
        (prediction,) = task["predictions"]
        for result in prediction["result"]:
            assert (result["original_height"], result["original_width"]) == SIZES[name]
            value = result["value"]
            ids.append(result["id"])
            brushed = plain_brush(value["rle"]).reshape(*SIZES[name], 4)[..., 3]
            mask[brushed == 255] = NAMES.index(value["brushlabels"][0])
        np.testing.assert_array_equal(mask, source.mask(named(source, name)))
    assert len(set(ids)) == len(ids)
    view = Xml.parse(tmp_path / "labelstudio/config.xml").getroot()
    assert [label.get("value") for label in view.iter("Label")] == list(NAMES[:3])
    result = tasks[0]["predictions"][0]["result"][0]
    assert view.find("BrushLabels").get("name") == result["from_name"]
    assert view.find("Image").get("name") == result["to_name"]

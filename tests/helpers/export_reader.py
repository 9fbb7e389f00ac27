"""Run by the interpreter of `tools/readers.sh`: reads an export with another program's own reader.

    python reader.py READER EXPORT RESULT

Writes RESULT, an npz of one class map (H, W) per image id, 255 where there is no class. Imports nothing of segpipe.
"""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

EMPTY = 255


def read_datumaro_cvat(export: Path) -> dict[str, np.ndarray]:
    """CVAT's archive as Pascal VOC, which is what CVAT's own importer takes it for."""
    from datumaro.components.dataset import Dataset

    with TemporaryDirectory() as folder:
        with zipfile.ZipFile(export / "cvat/annotations.zip") as archive:
            archive.extractall(folder)
        dataset = Dataset.import_from(folder, "voc_instance_segmentation")
        labels = [label.name for label in dataset.categories()[next(iter(dataset.categories()))]]
        assert labels[0] == "background", labels
        found = {}
        for item in dataset:
            mask = None
            for annotation in item.annotations:
                inside = np.asarray(annotation.image) > 0
                mask = np.full(inside.shape, EMPTY, np.uint8) if mask is None else mask
                assert (mask[inside] == EMPTY).all(), "objects overlap"
                mask[inside] = annotation.label - 1
            found[item.id] = mask
        return found


def read_datumaro_coco(export: Path) -> dict[str, np.ndarray]:
    """COCO run lengths, in the folders in which COCO is published, as datumaro wants them."""
    from datumaro.components.dataset import Dataset

    with TemporaryDirectory() as folder:
        path = Path(folder) / "annotations" / "instances_all.json"
        path.parent.mkdir()
        (Path(folder) / "images").mkdir()
        shutil.copyfile(export / "coco/annotations.json", path)
        found = {}
        for item in Dataset.import_from(folder, "coco_instances"):
            mask = None
            for annotation in item.annotations:
                if annotation.type.name != "mask":  # it makes boxes too
                    continue
                inside = np.asarray(annotation.image) > 0
                mask = np.full(inside.shape, EMPTY, np.uint8) if mask is None else mask
                mask[inside] = annotation.label
            found[item.id] = mask
        return found


def read_labelstudio(export: Path) -> dict[str, np.ndarray]:
    """Brush strokes by the decoder of Label Studio's own converter, and its parser of the interface."""
    from label_studio_sdk._extensions.label_studio_tools.core.label_config import parse_config
    from label_studio_sdk.converter.brush import decode_rle

    config = parse_config((export / "labelstudio/config.xml").read_text("utf-8"))
    names = config["class"]["labels"]
    found = {}
    for task in json.loads((export / "labelstudio/tasks.json").read_text("utf-8")):
        mask = None
        for result in task["predictions"][0]["result"]:
            shape = result["original_height"], result["original_width"]
            mask = np.full(shape, EMPTY, np.uint8) if mask is None else mask
            brushed = decode_rle(result["value"]["rle"]).reshape(*shape, 4)[:, :, 3]
            mask[brushed > 0] = names.index(result["value"]["brushlabels"][0])
        found[task["data"]["image"]] = mask
    return found


def read_fiftyone(export: Path) -> dict[str, np.ndarray]:
    """The folder by FiftyOne's importer; its database is not needed for that."""
    from fiftyone.utils.data import ImageSegmentationDirectoryImporter

    importer = ImageSegmentationDirectoryImporter(dataset_dir=str(export / "fiftyone"), load_masks=True)
    importer.setup()
    found = {}
    for path, _, label in importer:
        name = Path(path).relative_to(export / "fiftyone/data").with_suffix("").as_posix()
        found[name] = np.where(label.mask == 0, EMPTY, label.mask - 1).astype(np.uint8)
    return found


def read_ultralytics(export: Path) -> dict[str, np.ndarray]:
    """The data set as YOLO trains on it: polygons checked, then drawn at the images' size."""
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset, polygons2masks_overlap

    data = check_det_dataset(str(export / "yolo/data.yaml"), autodownload=False)
    dataset = YOLODataset(img_path=data["train"], data=data, task="segment", augment=False, imgsz=64)
    found = {}
    for label in dataset.get_labels():
        height, width = label["shape"]
        segments = [segment * [width, height] for segment in label["segments"]]
        mask = np.full((height, width), EMPTY, np.uint8)
        if segments:
            drawn, order = polygons2masks_overlap((height, width), segments, downsample_ratio=1)
            classes = label["cls"].ravel()[order].astype(np.uint8)
            mask[drawn > 0] = classes[drawn[drawn > 0] - 1]
        name = Path(label["im_file"]).relative_to(Path(data["train"])).with_suffix("").as_posix()
        found[name] = mask
    return found


def read_geopandas(export: Path) -> dict[str, np.ndarray]:
    """Areas by class of both kinds of maps: one row per class, GeoPackage and GeoParquet side by side."""
    import geopandas
    import pyogrio

    found = {}
    for layer in pyogrio.list_layers(export / "gpkg/map.gpkg")[:, 0]:
        if layer == "layer_styles":
            continue
        first = geopandas.read_file(export / "gpkg/map.gpkg", layer=layer)
        second = geopandas.read_parquet(export / f"geoparquet/{layer}.parquet")
        assert first.geometry.geom_equals_exact(second.geometry, 0).all()
        assert (first.crs is None) == (second.crs is None)
        if first.crs is not None and not first.crs.is_engineering:
            assert first.crs == second.crs, layer
        box = second.total_bounds
        few = geopandas.read_parquet(
            export / f"geoparquet/{layer}.parquet", bbox=(box[0], box[1], box[0] + 1e-9, box[1] + 1e-9)
        )
        assert len(few) < max(2, len(second))
        areas = [frame.geometry.area.groupby(frame["class"]).sum() for frame in (first, second)]
        found[layer] = np.stack([area.reindex(range(4), fill_value=0).to_numpy() for area in areas])
    return found


if __name__ == "__main__":
    reader, export, result = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    np.savez(result, **{name: mask for name, mask in globals()[f"read_{reader}"](export).items() if mask is not None})

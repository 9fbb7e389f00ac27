from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import UsageError
from segpipe.base.runtime import Runtime
from segpipe.plots.overlay import overlay
from segpipe.records.palette import class_colors
from segpipe.stages import export
from segpipe.stages.export import part_files
from segpipe.store import masks
from segpipe.store.run_dir import RunDir
from tests.helpers.export_run import CLASSES, SIZES


def _tree(root: Path) -> dict[str, bytes]:
    found = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    kept = {
        name: path
        for name, path in found.items()
        if path.name != "SHA256SUMS" and not name.startswith(part_files.FOLDER)
    }
    return {name: path.read_bytes() for name, path in kept.items()}


def test_every_format_is_written_for_every_image(run_dir: RunDir) -> None:
    summary = export.run(export.Config(), run_dir, Runtime(workers=2))
    assert summary == export.Summary(
        images=3, files={"png": 3, "color": 3, "overlay": 4, "classes": 1, "cog": 0, "video": 0}
    )
    out, colors = run_dir.path("export"), class_colors(CLASSES)
    assert set(_tree(out)) == {
        *(f"png/{name}.png" for name in SIZES),
        *(f"color/{name}.png" for name in SIZES),
        *(f"overlay/{name}.jpg" for name in SIZES),
        "classes.csv",
        "legend.png",
    }
    for name, size in SIZES.items():
        mask = masks.read_mask(out / f"png/{name}.png")
        np.testing.assert_array_equal(mask, masks.read_mask(run_dir.root / f"masks/{name}.png"))
        with Pillow.open(out / f"color/{name}.png") as picture:
            color = np.asarray(picture)
        np.testing.assert_array_equal(color[mask < CLASSES], colors[mask[mask < CLASSES]])
        assert not color[mask == 255].any()
        with Pillow.open(out / f"overlay/{name}.jpg") as picture:
            laid = np.asarray(picture).astype(int)
        assert laid.shape == (size.height, size.width, 3)
        with Pillow.open(run_dir.root.parent / f"images/{name}.png") as picture:
            expected = overlay(np.asarray(picture), mask, colors, opacity=0.5)
        assert np.abs(laid - expected).mean() < 12  # JPEG of noise


def test_formats_for_other_programs_are_written_for_every_image(run_dir: RunDir) -> None:
    names = ("gpkg", "geoparquet", "points", "coco", "yolo", "cvat", "labelstudio", "fiftyone", "coralnet", "taglab")
    assert set(names) | set(export.Config().formats) <= set(export.FORMATS)
    config = export.Config(formats=names, min_area=5, simplify=1, gsd=0.5, images="none", coco="polygon")
    summary = export.run(config, run_dir, Runtime(workers=2))
    files = {"gpkg": 2, "geoparquet": 2, "points": 0, "coco": 1, "yolo": 4, "cvat": 2, "labelstudio": 2, "fiftyone": 4}
    assert summary == export.Summary(images=3, files={**files, "coralnet": 1, "taglab": 4})
    folders = {"gpkg/map.gpkg", "gpkg/map.qml", "geoparquet/pixels.parquet", "geoparquet/pixels.qml"}
    assert set(_tree(run_dir.path("export"))) == folders | {
        *("coco/annotations.json", "yolo/data.yaml", "cvat/annotations.zip", "cvat/labels.json"),
        *("labelstudio/tasks.json", "labelstudio/config.xml"),
        *("fiftyone/mask_targets.json", "coralnet.csv", "taglab/dictionary.json"),
        *(f"yolo/labels/{name}.txt" for name in SIZES),
        *(f"fiftyone/labels/{name}.png" for name in SIZES),
        *(f"taglab/{name}.png" for name in SIZES),
    }


def test_the_number_of_workers_changes_nothing_and_an_old_export_is_replaced(run_dir: RunDir) -> None:
    export.run(export.Config(), run_dir, Runtime(workers=1))
    first = _tree(run_dir.path("export"))
    export.run(export.Config(formats=("color",)), run_dir, Runtime(workers=3))
    assert set(_tree(run_dir.path("export"))) == {name for name in first if name.startswith("color")}
    export.run(export.Config(), run_dir, Runtime(workers=3))
    assert _tree(run_dir.path("export")) == first


def test_a_failed_export_leaves_the_old_one(run_dir: RunDir) -> None:
    export.run(export.Config(formats=("classes",)), run_dir, Runtime())
    (run_dir.root / "masks/one.png").unlink()
    with pytest.raises(UsageError, match=r"one\.png does not exist"):
        export.run(export.Config(), run_dir, Runtime())
    assert set(_tree(run_dir.path("export"))) == {"classes.csv"}


def test_progress_is_told(run_dir: RunDir) -> None:
    told: list[tuple[int, str]] = []

    def track(items: Iterable[Any], *, total: int, unit: str, done: int = 0) -> Iterator[Any]:
        told.append((total, unit))
        return iter(items)

    export.run(export.Config(), run_dir, Runtime(track=track))
    assert told == [(3, "png files"), (3, "color files"), (3, "overlay files")]

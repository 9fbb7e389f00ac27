"""Exports are read by the programs they are for, which live in an environment of their own (`tools/readers.sh`)."""

import os
import subprocess
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from segpipe.stages.export import FORMATS
from segpipe.stages.export.formats.source import Source
from tests.helpers.places import ROOT
from tests.helpers.planted_export import LEFT_OUT, named, plant

PYTHON = Path(os.environ.get("SEGPIPE_READERS", ROOT / ".venv-readers/bin/python"))
MODULES = {
    "datumaro_cvat": "datumaro",
    "datumaro_coco": "datumaro",
    "labelstudio": "label_studio_sdk",
    "fiftyone": "fiftyone",
    "ultralytics": "ultralytics",
    "geopandas": "geopandas",
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Path]:
    folder = tmp_path_factory.mktemp("exported")
    source = plant(folder, legend=LEFT_OUT)
    for name in ("gpkg", "geoparquet", "coco", "yolo", "cvat", "labelstudio", "fiftyone"):
        FORMATS[name](source, folder / "out")
    return source, folder / "out"


def read(reader: str, export: Path, home: Path) -> dict[str, np.ndarray]:
    """What a reader says; the test is skipped where it is not installed."""
    if not PYTHON.is_file():
        pytest.skip(f"{PYTHON} is absent; make it with `bash tools/readers.sh`, or name one by SEGPIPE_READERS")
    env = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "YOLO_CONFIG_DIR": str(home),
        "YOLO_OFFLINE": "true",
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_DATABASE_DIR": str(home / "db"),
        "DATUMARO_NO_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
    }
    module = MODULES[reader]
    check = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    if subprocess.run([PYTHON, "-c", check], env=env).returncode:
        pytest.skip(f"{module} is not installed for {PYTHON}; `bash tools/readers.sh {module.replace('_', '-')}`")
    command = [PYTHON, ROOT / "tests" / "helpers" / "export_reader.py", reader, export, home / "found.npz"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    with np.load(home / "found.npz") as file:
        return dict(file)


@pytest.mark.parametrize("reader", ["datumaro_cvat", "datumaro_coco", "labelstudio", "fiftyone"])
def test_the_program_reads_every_mask_pixel_for_pixel(
    reader: str, exported: tuple[Source, Path], tmp_path: Path
) -> None:
    source, out = exported
    found = read(reader, out, tmp_path)
    if reader == "labelstudio":
        prefix = "/data/local-files/?d="
        found = {unquote(name).removeprefix(prefix).removesuffix(".png"): mask for name, mask in found.items()}
    assert set(found) == {image.id for image in source.corpus.images}
    for name, mask in found.items():
        np.testing.assert_array_equal(mask, source.mask(named(source, name)), err_msg=name)


def test_ultralytics_draws_the_regions(exported: tuple[Source, Path], tmp_path: Path) -> None:
    """It draws outlines with all pixels they pass, smaller regions over larger ones: exact away from borders."""
    source, out = exported
    found = read("ultralytics", out, tmp_path)
    large = {image.id for image in source.corpus.images if min(image.size.height, image.size.width) >= 10}
    assert set(found) == large  # it takes no others
    for name, drawn in found.items():
        mask = source.mask(named(source, name))
        padded = np.pad(mask, 1, mode="edge")
        shifted = [padded[r : r + mask.shape[0], c : c + mask.shape[1]] for r in range(3) for c in range(3)]
        inner = np.logical_and.reduce([part == mask for part in shifted])
        np.testing.assert_array_equal(drawn[inner], mask[inner], err_msg=name)
        agreeing = np.logical_or.reduce([part == drawn for part in shifted])
        assert agreeing.all(), name  # no class strays further than a pixel


def test_geopandas_reads_both_maps(exported: tuple[Source, Path], tmp_path: Path) -> None:
    source, out = exported
    found = read("geopandas", out, tmp_path)
    for layer, names in (("pixels", ("photo", "photo.2", "sub dir/=3+1")), ("unnamed", ("no system",))):
        counts = sum(np.bincount(source.mask(named(source, name)).ravel(), minlength=256)[:4] for name in names)
        np.testing.assert_allclose(found[layer], np.stack([counts, counts]) * (4 if layer == "unnamed" else 1))
    assert len(found) == 6


def test_the_readers_are_no_dependency() -> None:
    """ultralytics is AGPL-3.0, and the others want other versions of our libraries."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for name in ("ultralytics", "fiftyone", "datumaro", "label-studio"):
        assert name not in text

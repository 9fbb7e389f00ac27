"""Runs of a small drawn reef, made once for all tests of this folder."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from segpipe.base.geometry import Size
from segpipe.cli.entry import run_cli
from segpipe.commands.demo.synthetic import reef_scene, write_reef_corpus
from tests.helpers.run_view import SMALL, sets


@pytest.fixture(scope="package")
def reef(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `images/`, `labels/` and `classes.txt`."""
    folder = tmp_path_factory.mktemp("reef")
    write_reef_corpus(folder, images=6, seed=5)
    return folder


@pytest.fixture(scope="package")
def done(reef: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("done") / "run"
    labels = [f"evaluate.labels={reef / 'labels'}", f"evaluate.classes={reef / 'classes.txt'}"]
    assert run_cli(["run", str(reef / "images"), str(path), "--config", "demo", *sets(*SMALL, *labels), "-q"]) == 0
    return path


@pytest.fixture(scope="package")
def windows(reef: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not further than its masks, of images seen in windows."""
    path = tmp_path_factory.mktemp("windows") / "run"
    more = sets(*SMALL, "index.crops=windows", "index.window=200", "refine.crf=false", "cluster.smooth=0.5")
    assert run_cli(["run", str(reef / "images"), str(path), "--config", "demo", *more, "--to", "refine", "-q"]) == 0
    return path


@pytest.fixture(scope="package")
def mosaic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not further than its masks, of one mosaic whose map lies in four tiles of 720 pixels."""
    folder = tmp_path_factory.mktemp("mosaic")
    (folder / "images").mkdir()
    rgb, _ = reef_scene(np.random.default_rng(3), Size(760, 800))
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "crs": "EPSG:32755", "height": 760, "width": 800}
    place = rasterio.Affine(0.01, 0, 4e5, 0, -0.01, 8e6)
    with rasterio.open(folder / "images" / "plot.tif", "w", transform=place, **profile) as file:
        file.write(rgb.transpose(2, 0, 1))
    more = sets(*SMALL, "index.window=200", "refine.crf=false", "refine.canvas_size=160")
    command = ["run", str(folder / "images"), str(folder / "run"), "--config", "demo", *more, "--to", "refine", "-q"]
    assert run_cli(command) == 0
    return folder / "run"


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "run"))


@pytest.fixture(autouse=True)
def without_pandas(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Tables are lists, whatever is installed, but for tests that ask for the fixture `pandas`."""
    if "pandas" not in request.fixturenames:
        monkeypatch.setitem(sys.modules, "pandas", None)

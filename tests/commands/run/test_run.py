"""`segpipe run` and the stages, without doing one: settings from options, plans, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segpipe
from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.cli.entry import run_cli
from segpipe.commands.run import settings_of
from segpipe.commands.run.options import STAGE_OPTIONS, RunOptions
from segpipe.pipeline import open_run, resolve


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(folder / f"{i}.png")
    return folder


def test_options_become_settings(tmp_path: Path) -> None:
    given = {"images": "photos", "run": tmp_path, "backbone": "classical", "seed": 7, "formats": ("png", "coco")}
    found = settings_of(make(RunOptions, given))
    assert found["extract.backbone"] == "classical"
    assert {value for key, value in found.items() if key.endswith(".seed")} == {7}
    assert found["export.formats"] == ["png", "coco"]
    assert Path(found["index.images"]).is_absolute()
    assert settings_of(make(STAGE_OPTIONS["cover"], {"run": tmp_path, "gsd": 0.1})) == {"cover.gsd": 0.1}


def test_a_plan_changes_nothing(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["run", str(photos), str(tmp_path / "run"), "--backbone", "classical", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert all(stage in shown for stage in ("index", "train", "report"))
    assert "3 images" in shown
    assert not (tmp_path / "run").exists()


def test_a_stage_by_command_and_in_python(photos: Path, tmp_path: Path) -> None:
    said = segpipe.index(photos, tmp_path / "run", settings={"index.crops": "five"}, workers=1)
    assert (said["images"], said["crops"]) == (3, 15)
    settings = resolve(open_run(tmp_path / "run"))
    assert settings["index"].model_dump()["crops"] == "five"
    assert settings["runtime"].model_dump()["workers"] == 1
    assert run_cli(["index", str(photos), str(tmp_path / "run"), "--index.crops", "whole", "-q"]) == 0
    assert segpipe.open(tmp_path / "run").stages["index"]["crops"] == 3


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a run \(no config.yaml\); begin with `segpipe run IMAGES"):
        segpipe.extract(tmp_path)

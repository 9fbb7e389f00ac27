"""`segpipe run` and the stages, without doing one: settings from options, plans, and what is refused."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

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
from segpipe.store.masks import load_index
from segpipe.store.run_dir import RunDir
from tests.helpers.quick_run import reef_run


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


def exported(run: RunDir) -> dict[str, str]:
    """Every file in export/ with the inode of those that were taken over."""
    found = (path for path in (run.root / "export").rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    return {path.relative_to(run.root / "export").as_posix(): str(path.stat().st_ino) for path in found}


def said(run: RunDir) -> list[str]:
    config: Any = resolve(run)["export"]
    return list(config.formats)


@pytest.fixture(scope="module")
def reef(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reef")
    reef_run(folder, images=3)
    segpipe.export(folder / "run")
    return folder


@pytest.fixture
def run(reef: Path, tmp_path: Path) -> RunDir:
    shutil.copytree(reef / "run", tmp_path / "run", symlinks=True)
    return open_run(tmp_path / "run")


def test_formats_add_to_what_was_exported(run: RunDir) -> None:
    """The fault: `export RUN --format gpkg` took all others away, for good."""
    before = exported(run)
    assert {name.split("/")[0] for name in before} == {"png", "color", "overlay", "classes.csv", "legend.png"}
    assert run_cli(["export", str(run.root), "--format", "coco", "-q"]) == 0
    after = exported(run)
    assert set(after) == {*before, "coco/annotations.json"}
    assert all(after[name] == before[name] for name in before)  # the same files: nothing was made again
    assert said(run) == ["png", "color", "overlay", "classes", "cog", "video", "coco"]
    summary = run.manifest().stages["export"].summary["files"]
    assert (summary["png"], summary["overlay"], summary["coco"]) == (3, 4, 1)
    assert segpipe.export(run.root, formats=["coco"])["files"] == summary
    segpipe.export(run.root, formats=["png"], force=True)
    assert set(exported(run)) == set(after)
    assert not set(exported(run).values()) & set(after.values())  # forced: all is made again
    segpipe.export(run.root, settings={"export.formats": ["png"], "export.opacity": 0.3})
    assert {name.split("/")[0] for name in exported(run)} == {"png"}


def test_formats_are_taken_away_by_a_word_of_its_own(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["export", str(run.root), "--only", "classes,png", "-q"]) == 0
    assert {name.split("/")[0] for name in exported(run)} == {"classes.csv", "png"}
    assert said(run) == ["classes", "png"]
    assert run_cli(["export", str(run.root), "--only", "png", "--format", "coco", "-q"]) == 2
    assert (
        "--format coco adds to what was exported, --only png takes all else away; give one" in capsys.readouterr().err
    )
    assert said(run) == ["classes", "png"]


def test_what_is_not_asked_for_again_is_made_again_where_names_changed(run: RunDir) -> None:
    segpipe.export(run.root, formats=["coco"])
    segpipe.name(run.root)
    names = run.root / "classes.yaml"
    names.write_text(names.read_text().replace('name: ""', 'name: "sand"', 1))
    segpipe.export(run.root, formats=["cvat"])
    assert '"sand"' in (run.root / "export/coco/annotations.json").read_text()
    assert ",sand," in (run.root / "export/classes.csv").read_text()


def test_a_plan_counts_the_files_that_are_there_now(
    run: RunDir, reef: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fault: the images of the last time were counted."""
    folder = tmp_path / "photos"
    shutil.copytree(reef / "images", folder)
    assert run_cli(["index", str(folder), str(run.root), "-q"]) == 0
    command = ["run", str(folder), str(run.root), "--to", "refine", "--dry-run"]
    capsys.readouterr()
    assert run_cli(command) == 0
    assert "\n3 images: about " in capsys.readouterr().out
    shutil.copy(next(folder.rglob("*.jpg")), folder / "one more.jpg")
    assert run_cli(command) == 0
    shown = capsys.readouterr().out
    assert "\n4 images: about " in shown
    assert "carried over" not in shown  # nothing has a name yet
    assert run_cli([*command, "--index.crops", "five"]) == 0
    assert "\n4 images: about " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["evaluate", "RUN", "--labels", "nosuch.csv"], "nosuch.csv"),
        (["cover", "RUN", "--sites", "nosuch.csv"], "nosuch.csv"),
        (["cover", "RUN", "--points", "nosuch.csv"], "nosuch.csv"),
        (["cluster", "RUN", "--guide", "nosuch.csv"], "nosuch.csv"),
        (["run", "IMAGES", "RUN", "--to", "refine", "--set", "extract.backbone=dino_vits99"], "dino_vits99"),
        (["run", "IMAGES", "RUN", "--to", "refine", "--set", "extract.pool=cls", "--cluster.k", "5"], "no network"),
        (["run", "NOWHERE", "RUN", "--cluster.k", "5"], "nowhere"),
        (["extract", "RUN", "--force", "--weights", "nosuch.pth", "--backbone", "dino_vits16"], "nosuch.pth"),
        (["export", "RUN", "--format", "cog,nosuch"], "nosuch"),
        (["export", "RUN", "--format", "certainty"], "certainty"),
    ],
)
def test_a_refused_command_changes_nothing(
    run: RunDir, reef: Path, command: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fault: labels that do not exist stayed in config.yaml, after which every `run` was refused."""

    def tree() -> dict[str, bytes]:
        found = (path for path in sorted(run.root.rglob("*")) if path.is_file() and path.name != ".lock")
        return {path.relative_to(run.root).as_posix(): path.read_bytes() for path in found}

    before = tree()
    places = {"RUN": str(run.root), "IMAGES": str(reef / "images"), "NOWHERE": str(reef / "nowhere")}
    assert run_cli([*(places.get(word, word) for word in command), "-q"]) == 2
    assert message in capsys.readouterr().err
    after = tree()
    assert sorted(after) == sorted(before)
    assert [name for name in before if before[name] != after[name]] == []
    assert not any(path.name.endswith(".partial") for path in run.root.iterdir())


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a run \(no config.yaml\); begin with `segpipe run IMAGES"):
        segpipe.extract(tmp_path)


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (["index", "", "RUN"], "IMAGES"),
        (["run", "", "RUN"], "IMAGES"),
        (["run", "IMAGES", ""], "RUN"),
        (["run", "IMAGES", "RUN", "--config", ""], "--config"),
        (["show", ""], "RUN"),
        (["evaluate", "RUN", "--labels", ""], "--labels"),
        (["attend", "IMAGES", ""], "OUT"),
        (["apply", "", "IMAGES", "OUT"], "FILE"),
        (["sample", "photos", ""], "OUT"),
    ],
)
def test_an_empty_word_is_not_the_current_folder(
    photos: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fault: `segpipe index "$UNSET" RUN` indexed the folder that one was in."""
    monkeypatch.chdir(photos)
    before = sorted(photos.rglob("*"))
    assert run_cli([word.replace("IMAGES", str(photos)) for word in command]) == 2
    assert re.search(rf"error: {place}:? ?is empty; give a value", capsys.readouterr().err)
    assert sorted(photos.rglob("*")) == before


def test_a_run_is_not_the_folder_of_its_images(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(photos.rglob("*"))
    for _ in range(2):
        assert run_cli(["index", str(photos), str(photos)]) == 2
        assert "is not a run of segpipe and holds other files (0.png, 1.png, 2.png)" in capsys.readouterr().err
    assert sorted(photos.rglob("*")) == before
    run = photos / "run"
    assert run_cli(["index", str(photos), str(run), "-q"]) == 0
    assert run_cli(["index", str(run), str(run)]) == 2
    assert "is a run or another output of segpipe, whose maps are no photographs" in capsys.readouterr().err
    assert run_cli(["index", str(photos), str(run), "-q", "--force"]) == 0
    assert segpipe.open(run).stages["index"]["images"] == 3


def test_no_command_lists_what_another_has_written(run: RunDir, reef: Path, tmp_path: Path) -> None:
    """The fault: the 6 images of a folder became 30, then 126, once maps of them lay in it."""
    folder = tmp_path / "photos"
    shutil.copytree(reef / "images", folder)
    count = len(list(folder.rglob("*.jpg")))
    assert run_cli(["bundle", str(run.root), str(folder / "m.segpipe"), "-q"]) == 0
    small = ["--backbone", "classical", "--input-size", "64", "-q"]
    for _ in range(2):
        assert run_cli(["apply", str(folder / "m.segpipe"), str(folder), str(folder / "maps"), "-q"]) == 0
        assert run_cli(["attend", str(folder), str(folder / "seen"), *small]) == 0
        assert run_cli(["robustness", str(run.root), str(folder / "bent"), "--corruptions", "dark", "-q"]) == 0
        assert len(load_index(folder / "maps" / "masks")) == count
    assert {path.name for path in folder.glob("*/.segpipe")} == {".segpipe"}
    assert len(list(folder.glob("*/.segpipe"))) == 3
    assert segpipe.index(folder, folder / "run")["images"] == count
    assert segpipe.index(folder, tmp_path / "other")["images"] == count
    assert run_cli(["attend", str(folder), str(folder / "seen.webm"), "--fps", "5", *small]) == 2  # a film of images


def test_a_script_from_standard_input_may_use_several_processes(photos: Path, tmp_path: Path) -> None:
    text = (
        "import segpipe\n"
        "if __name__ == '__main__':\n"
        f"    print(segpipe.index({str(photos)!r}, {str(tmp_path / 'run')!r}, workers=2)['images'])\n"
    )
    done = subprocess.run([sys.executable, "-"], input=text, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("3\n", 0), done.stderr


def test_a_preview_holds_for_one_command(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    command = ["run", str(photos), str(run), "--backbone", "classical", "--extract.input_size", "64", "-q"]
    for given, images in ((["--preview", "9"], 3), (["--preview", "2"], 2), ([], 3), (["--set", "index.preview=1"], 1)):
        assert run_cli([*command, "--to", "index", *given]) == 0
        assert open_run(run).manifest().stages["index"].summary["images"] == images
    assert run_cli([*command, "--from", "extract", "--to", "extract"]) == 0  # of the images that are there
    assert open_run(run).manifest().stages["extract"].summary["crops"] == 1
    assert run_cli([*command, "--to", "extract"]) == 0
    capsys.readouterr()
    assert run_cli([*command, "--to", "extract", "--preview", "2"]) == 2
    assert "is of all 3 images, and what was made of the others would be lost" in capsys.readouterr().err
    assert open_run(run).manifest().stages["extract"].summary["crops"] == 3


def test_classes_that_are_not_there_cannot_be_kept(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["run", str(photos), str(tmp_path / "run"), "--keep-classes", "-q"]) == 2
    assert "has no classes to keep yet" in capsys.readouterr().err

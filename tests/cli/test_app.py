"""What a user types and sees."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpipe.base.version import __version__
from segpipe.cli import app
from segpipe.cli.entry import run_cli
from segpipe.commands import COMMANDS
from segpipe.commands.demo.synthetic import write_reef_corpus

SMALL = ["--set", "extract.input_size=112", "--set", "train.steps=20", "--set", "refine.crf=false"]


@pytest.fixture(scope="module")
def reef(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reef")
    write_reef_corpus(folder, images=8, seed=2)
    return folder


@pytest.fixture(scope="module")
def done(reef: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("done") / "run"
    labels = ["--set", f"evaluate.labels={reef / 'labels'}", "--set", f"evaluate.classes={reef / 'classes.txt'}"]
    assert run_cli(["run", str(reef / "images"), str(run), "--config", "demo", *SMALL, *labels]) == 0
    return run


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = run_cli(arguments)
    return code, capsys.readouterr().err


def test_commands_are_listed_in_the_order_in_which_they_are_declared(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["--help"]) == 0
    section = capsys.readouterr().out.split("\nCommands:\n")[1].split("\n\n")[0]
    listed = [line.split()[0] for line in section.splitlines() if re.match(r"  \S", line)]
    assert listed == [*(command.name for command in COMMANDS), "completion"]


def test_what_was_typed_is_taken_where_nothing_is_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["segpipe", "--version"])
    assert app.run() == 0
    assert capsys.readouterr().out == f"segpipe, version {__version__}\n"


def test_run_leaves_every_artefact(reef: Path, done: Path) -> None:
    for name in ("corpus", "features", "pairs", "head", "clusters", "masks", "export", "scores", "report"):
        assert (done / name).is_dir(), name
    scores = json.loads((done / "scores" / "scores.json").read_text("utf-8"))
    assert scores["images"] == 8
    assert 0 <= scores["unsupervised"]["accuracy"] <= 1
    for row in (done / "masks" / "index.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(row)
        with Image.open(done / "masks" / entry["file"]) as mask:
            assert mask.size == (entry["width"], entry["height"])


def test_masks_have_the_displayed_size_of_every_file(reef: Path, done: Path) -> None:
    files = [path for path in (reef / "images").rglob("*") if path.is_file()]
    sizes = set()
    for path in files:
        with Image.open(path) as image:
            width, height = image.size
            if image.getexif().get(0x0112, 1) >= 5:
                width, height = height, width
        relative = path.relative_to(reef / "images").with_suffix(".png")
        with Image.open(done / "masks" / relative) as mask:
            assert mask.size == (width, height), relative
        sizes.add((width, height))
    assert any(w > h for w, h in sizes)
    assert any(w < h for w, h in sizes)


def test_a_second_run_skips_everything(reef: Path, done: Path) -> None:
    before = (done / "manifest.json").read_text()
    assert run_cli(["run", str(reef / "images"), str(done)]) == 0
    assert (done / "manifest.json").read_text() == before


def test_dry_run_changes_nothing(reef: Path, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["run", str(reef / "images"), str(done), "--dry-run", "--set", "cluster.k=3"]) == 0
    plan = capsys.readouterr().out
    assert re.search(r"extract\s+skip", plan)
    assert re.search(r"cluster\s+run.*cluster\.k 5 -> 3", plan)
    assert "cluster.k" not in (done / "manifest.json").read_text()
    assert run_cli(["run", str(reef / "images"), str(tmp_path / "new"), "--dry-run", "--config", "demo"]) == 0
    assert not (tmp_path / "new").exists()
    assert "8 images" in capsys.readouterr().out


def test_stage_commands_go_step_by_step(reef: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    code, err = error_of(capsys, "extract", run)
    assert code == 2
    assert "is not a run (no config.yaml); begin with `segpipe run IMAGES" in err
    assert run_cli(["index", str(reef / "images"), run, "--config", "demo", *SMALL]) == 0
    code, err = error_of(capsys, "train", run)
    assert code == 2
    assert re.search(r"extract must come first .* run `segpipe extract", err)
    for stage in ("extract", "mine", "train", "cluster", "refine", "export"):
        assert run_cli([stage, run]) == 0
    assert run_cli(["evaluate", run, "--labels", str(reef / "labels"), "--classes", str(reef / "classes.txt")]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert run_cli(["report", run]) == 0
    assert run_cli(["show", run]) == 0
    assert "up to date" in capsys.readouterr().out


def test_formats_are_chosen_by_an_option(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    shutil.copytree(done, run)
    assert run_cli(["export", str(run), "--format", "coco,coralnet", "-f", "taglab"]) == 0
    assert {path.name for path in (run / "export").iterdir()} >= {"coco", "coralnet.csv", "taglab"}
    code, err = error_of(capsys, "export", str(run), "--format", "cocoo")
    assert code == 2
    assert "--format cocoo: holds 'cocoo', which is not a format; did you mean coco?" in err
    for command in ("run", "export"):
        assert run_cli([command, "--help"]) == 0
        shown = capsys.readouterr().out
        assert "--format NAME[,NAME]" in shown
        assert re.search(r"--export.min_area INT .*\[0\]", " ".join(shown.split()))


def test_diff(reef: Path, done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["diff", str(done), str(done)]) == 0
    out = capsys.readouterr().out
    assert "settings are the same" in out
    assert "100.00% of the pixels of 8 common images agree" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "nowhere", "RUN"], 2, r"nowhere"),
        (
            ["run", "IMAGES", "RUN", "--set", "mine.kk=3"],
            2,
            r"--set: mine\.kk is not a setting; did you mean mine\.k\?",
        ),
        (["run", "IMAGES", "RUN", "--set", "mine.k=x"], 2, r"--set: mine\.k='x' should be a valid integer"),
        (["run", "IMAGES", "RUN", "--config", "nope"], 2, r"--config nope: neither a file nor a named config"),
        (["run", "IMAGES", "RUN", "--from", "nope"], 2, r"nope"),
        (["run", "IMAGES", "RUN", "--set", "extract.backbone=dino_vits61"], 2, r"dino_vits16"),
        (["run", "EMPTY", "RUN"], 3, r"no image"),
        (["frobnicate"], 2, r"No such command"),
        (["show", "RUN"], 2, r"is not a run"),
    ],
)
def test_errors_name_the_value_and_the_way_out(
    arguments: list[str], code: int, message: str, reef: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"IMAGES": str(reef / "images"), "RUN": str(tmp_path / "run"), "EMPTY": str(tmp_path / "empty")}
    found, err = error_of(capsys, *(places.get(argument, argument) for argument in arguments))
    assert found == code
    assert re.search(message, err)
    assert "Traceback" not in err


def test_an_unknown_key_in_a_config_file(reef: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder.yaml").write_text("mine:\n  kk: 3\n")
    code, err = error_of(
        capsys, "run", str(reef / "images"), str(tmp_path / "run"), "--config", str(tmp_path / "folder.yaml")
    )
    assert code == 2
    assert err.strip().endswith("folder.yaml: mine.kk is not a setting; did you mean mine.k?")


def test_files_put_aside_have_their_own_exit_code(
    reef: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(rng.integers(0, 255, (64, 80, 3), dtype=np.uint8)).save(images / f"{i}.png")
    (images / "empty.jpg").write_bytes(b"")
    code = run_cli(
        ["run", str(images), str(tmp_path / "run"), "--config", "demo", *SMALL, "--set", "cluster.k=2", "--to", "mine"]
    )
    err = capsys.readouterr().err
    assert code == 4
    assert "1 file skipped" in err
    assert "empty.jpg: " in err


def test_help_is_made_from_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["mine", "--help"]) == 0
    assert re.search(r"--mine.k INT [^-]*\[7\]", " ".join(capsys.readouterr().out.split()))
    assert run_cli(["run", "--help"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"--extract.backbone TEXT [^-]*\[dino_vits16\]", " ".join(out.split()))
    assert "130, 143" in out


def test_tools(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_cli(["backbones"]) == 0
    out = capsys.readouterr().out
    assert "dino_vits16" in out
    assert "classical" in out
    monkeypatch.setattr("segpipe.nn.hub.offered", lambda repo: ("", "HF_HUB_OFFLINE is set"))
    assert run_cli(["doctor"]) == 0
    assert "MISSING" not in capsys.readouterr().out
    for shell in ("bash", "zsh", "fish"):
        assert run_cli(["completion", shell]) == 0
        assert "_SEGPIPE_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_cleanly(reef: Path, tmp_path: Path, number: int, code: int) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "segpipe", "run", str(reef / "images"), str(run), "--config", "demo"]
    process = subprocess.Popen([*command, "--set", "train.steps=100000"], stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 120
    while not (run / "head.partial").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "stopped; the same command goes on from here" in err
    assert "Traceback" not in err

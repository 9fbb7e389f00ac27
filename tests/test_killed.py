"""Killed with SIGKILL in every stage and started again, a run ends with the artefacts of one that was never killed."""

import json
import shutil
import signal
from pathlib import Path

import pytest

from segpipe.cli.entry import main
from segpipe.commands.demo.synthetic import write_reef_corpus
from tests.helpers.forked import run_forked
from tests.helpers.killed_child import work_until_killed
from trials.kills.bench import artefacts as compared
from trials.kills.bench import verdict

STAGES = ("index", "extract", "mine", "train", "cluster", "refine", "export", "evaluate", "cover", "report")


def arguments(reef: Path, run: Path) -> list[str]:
    sets = [
        f"evaluate.labels={reef / 'labels'}",
        f"evaluate.classes={reef / 'classes.txt'}",
        "extract.input_size=112",
        "train.steps=40",
        "train.checkpoint_every=10",
        "refine.crf_iterations=2",
        "evaluate.n_resamples=50",
        "runtime.workers=2",
    ]
    options = [part for pair in sets for part in ("--set", pair)]
    return ["run", str(reef / "images"), str(run), "--config", "demo", "-q", *options]


def artefacts(run: Path) -> dict[str, bytes]:
    """Every file that a run leaves, but for what holds the time of day: manifest, report, TensorBoard events."""
    kept = {}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if path.is_file() and not name.startswith((".", "manifest.json", "report/", "head/tb/")):
            kept[name] = path.read_bytes()
    return kept


@pytest.fixture(scope="module")
def reef(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reef")
    write_reef_corpus(folder, images=8, seed=1)
    return folder


@pytest.fixture(scope="module")
def untouched(reef: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untouched")
    assert run_forked(main, arguments(reef, folder / "run"), log=folder / "log") == 0
    return folder / "run"


@pytest.mark.parametrize("moment", ["middle", "before", "after"])
def test_killed_in_every_stage(reef: Path, untouched: Path, tmp_path: Path, moment: str) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    for stage in STAGES:
        code = run_forked(work_until_killed, stage, moment, arguments(reef, run), log=log)
        assert code == -signal.SIGKILL, f"{stage}: {log.read_text('utf-8')}"
    assert run_forked(main, arguments(reef, run), log=log) == 0, log.read_text("utf-8")
    expected, found = artefacts(untouched), artefacts(run)
    assert sorted(found) == sorted(expected)
    differing = [name for name in expected if found[name] != expected[name]]
    assert differing == []
    keys = [
        {n: s["key"] for n, s in json.loads((r / "manifest.json").read_text())["stages"].items()}
        for r in (run, untouched)
    ]
    assert keys[0] == keys[1]
    assert (run / "report" / "index.html").exists()
    assert not list(run.glob("*.partial"))


def test_a_kill_that_is_not_mended_is_found(tmp_path: Path) -> None:
    """The comparison itself: bytes, missing files and strays of a run are told apart; times are not looked at."""
    whole = tmp_path / "whole"
    (whole / "masks").mkdir(parents=True)
    (whole / "masks" / "a.png").write_bytes(b"1")
    stage = {"key": "k", "artefact": "a", "parts": {}, "finished": "now"}
    (whole / "manifest.json").write_text(json.dumps({"stages": {"refine": stage}}), "utf-8")
    outcomes = []
    for name, content in (("", b""), ("masks/a.png", b"2"), ("masks/.x.tmp", b""), ("manifest.json", b"")):
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(whole, run)
        said = {"stages": {"refine": {**stage, "finished": "later", "key": "k2" if name == "manifest.json" else "k"}}}
        if name and name != "manifest.json":
            (run / name).write_bytes(content)
        (run / "manifest.json").write_text(json.dumps(said), "utf-8")
        outcomes.append(verdict(run, compared(whole))[0])
    assert outcomes == ["equal", "different", "stray", "different"]

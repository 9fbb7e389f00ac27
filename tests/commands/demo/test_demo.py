"""`segpipe demo`: every stage on a reef that is drawn once; `segpipe sample`, in the terminal and in Python."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import segpipe
from segpipe import pipeline
from segpipe.base.config import Layer
from segpipe.base.errors import LockedError, UsageError
from segpipe.base.options import Face, make
from segpipe.cli.entry import run_cli
from segpipe.commands import demo as room
from segpipe.commands.demo import DEMO
from segpipe.commands.demo.options import DemoOptions
from segpipe.commands.demo.synthetic import CLASSES, write_reef_corpus
from segpipe.stages import STAGES

pytestmark = pytest.mark.usefixtures("one_torch_thread")

QUICK = {
    "extract.input_size": 112,
    "train.method": "pca",
    "refine.crf": False,
    "evaluate.n_resamples": 20,
    "cover.n_resamples": 100,
    "export.formats": ["classes"],
    "runtime.workers": 1,
}


def demo(run: Path, settings: Mapping[str, Any]) -> Any:
    return DEMO.work(make(DemoOptions, {"run": run}), Face(layers=(Layer("settings", settings),)))


def test_the_reef_is_drawn_once_and_settings_that_are_given_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[Mapping[str, Any]] = []
    monkeypatch.setattr(pipeline, "work", lambda run_dir, settings, track: seen.append(settings))
    demo(Path("new"), {"cluster.k": 7})
    reef = tmp_path / "new" / "reef"
    drawn = {path: path.stat().st_mtime_ns for path in reef.rglob("*.*")}
    assert len([path for path in drawn if path.is_relative_to(reef / "images")]) == 24
    assert len([path for path in drawn if path.is_relative_to(reef / "labels")]) == 24
    assert seen[0]["index"].images == str(reef / "images")
    assert (seen[0]["evaluate"].labels, seen[0]["evaluate"].classes) == (reef / "labels", reef / "classes.txt")
    assert (seen[0]["extract"].backbone, seen[0]["cluster"].method, seen[0]["cluster"].k) == ("classical", "kmeans", 7)
    demo(Path("new"), {})
    assert seen[1]["cluster"].k == 5
    assert {path: path.stat().st_mtime_ns for path in reef.rglob("*.*")} == drawn


def test_every_stage_is_done_and_the_scores_are_those_of_the_masks(tmp_path: Path) -> None:
    pipeline.open_run(tmp_path).claim()
    write_reef_corpus(tmp_path / "reef", images=4, seed=1)  # quicker than its own
    done = demo(tmp_path, QUICK)
    assert list(done.manifest().stages) == [stage.NAME for stage in STAGES]
    report = DEMO.report(done, make(DemoOptions, {"run": tmp_path}))
    table, last = report.lines
    assert last == f"report   {tmp_path / 'report' / 'index.html'}"
    assert (tmp_path / "report" / "index.html").is_file()
    assert (list(report.skipped), report.listed_in) == ([], tmp_path / "corpus" / "rejected.jsonl")
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text("utf-8"))["unsupervised"]
    right = pixels = 0
    for path in (tmp_path / "reef" / "labels").rglob("*.png"):
        mask = np.asarray(Image.open(tmp_path / "masks" / path.relative_to(tmp_path / "reef" / "labels")))
        matched = np.array([CLASSES.index(scores["matching"][str(k)]) for k in range(5)])[mask]
        right += int((matched == np.asarray(Image.open(path))).sum())
        pixels += mask.size
    out = io.StringIO()
    Console(file=out, width=200).print(table)
    (said,) = (line for line in out.getvalue().splitlines() if line.startswith("clusters, one to one"))
    assert f" {100 * right / pixels:.1f} " in said


def test_the_terminal_says_what_was_written_and_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my sample"
    command = ["sample", "photos", str(out), "--count", "3"]
    assert run_cli(command) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["photos", "labels", "points", "sites", "next:"]
    assert said[-1] == f"next: segpipe run '{out / 'images'}' 'runs/my sample' --backbone classical --cluster.k 10"
    assert len([path for path in (out / "images").rglob("*") if path.is_file()]) == 3
    assert run_cli(command) == 0
    assert f"{out} was there already and is left as it is" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mosaic", "OUT", "--count", "3"], "error: --count 3 is for photos only; leave it out for mosaic"),
        (["photos", "."], "error: . is not empty and holds no sample; choose another folder"),
    ],
)
def test_refusals_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    (tmp_path / "notes.txt").touch()
    monkeypatch.chdir(tmp_path)
    assert run_cli(["sample", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(said)


def test_python_returns_the_folder(tmp_path: Path) -> None:
    out = segpipe.sample("photos", tmp_path / "out", count=1, seed=4)
    assert out == tmp_path / "out"
    assert (out / "points.csv").is_file()
    with pytest.raises(UsageError, match="kind=film"):
        segpipe.sample("film", tmp_path / "other")  # type: ignore[arg-type]
    assert [command.name for command in (room.SAMPLE, room.DEMO)] == ["sample", "demo"]


def test_nothing_is_drawn_into_a_run_that_another_process_holds(tmp_path: Path) -> None:
    other = pipeline.open_run(tmp_path / "run")
    with other.lock(), pytest.raises(LockedError, match="is in use by process"):
        DEMO.work(make(DemoOptions, {"run": tmp_path / "run"}), Face())
    assert not (tmp_path / "run" / "reef").exists()

"""Labels are used by `evaluate` and `cover`, which judge finished masks: no other stage can import or open them.

Except the points of `cluster --guide`: one module reads them, only where they are asked for, and every result says so.
"""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import grimp
import pytest

from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.stages import STAGES

READERS = (
    "segpipe.labels.label_maps",
    "segpipe.labels.encodings",
    "segpipe.labels.point_labels",
    "segpipe.labels.ground_truth",
)
JUDGES = (
    "segpipe.stages.evaluate",
    "segpipe.stages.evaluate.full_resolution",
    "segpipe.stages.evaluate.held_out",
    "segpipe.stages.evaluate.stego_protocol",
    "segpipe.stages.evaluate.video_scores",
    "segpipe.labels.counting",
    "segpipe.stages.cover",
)
STEERING = "segpipe.stages.cluster.steering"

WATCH = """
import json, os, runpy, sys

log, folder = sys.argv[1], os.path.realpath(sys.argv[2])

def watch(event, arguments):
    if event != "open" or not isinstance(arguments[0], (str, bytes, os.PathLike)):
        return
    path = os.path.realpath(os.fsdecode(arguments[0]))
    if path.startswith(folder + os.sep):
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, (json.dumps(path) + "\\n").encode())
        os.close(handle)

sys.addaudithook(watch)
sys.argv = ["segpipe", *sys.argv[3:]]
runpy.run_module("segpipe", run_name="__main__", alter_sys=True)
"""


def test_only_stages_that_judge_finished_masks_reach_the_readers_of_labels():
    graph = grimp.build_graph("segpipe")
    assert graph.find_modules_that_directly_import(STEERING) == {"segpipe.stages.cluster"}
    for imported in graph.find_modules_directly_imported_by(STEERING):
        graph.remove_import(importer=STEERING, imported=imported)
    stages = {f"segpipe.stages.{stage.NAME}" for stage in STAGES}
    assert len(stages) == 10
    for reader in READERS:
        chains = {stage: graph.find_shortest_chain(stage, reader) for stage in stages}
        reach = {stage for stage, chain in chains.items() if chain}
        assert reach <= {"segpipe.stages.evaluate", "segpipe.stages.cover"}
        assert "segpipe.stages.evaluate" in reach
        direct = graph.find_modules_that_directly_import(reader) - {STEERING}
        assert all(name in (*READERS, *JUDGES) for name in direct), direct


@pytest.fixture(scope="module")
def reef(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reef")
    write_reef_corpus(folder, images=4, seed=3)
    return folder


def opened(log: Path, watched: Path, *arguments: str) -> set[Path]:
    """Run a command in one process, and tell which files below `watched` it opened, whoever asked for them."""
    command = [sys.executable, "-c", WATCH, str(log), str(watched), *arguments]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # for tiny arrays the fastest
    done = subprocess.run(command, check=False, timeout=300, capture_output=True, text=True, env=one_thread)
    assert done.returncode == 0, done.stderr
    return {Path(json.loads(line)) for line in log.read_text().splitlines()} if log.exists() else set()


def test_no_other_stage_opens_a_label(reef: Path, tmp_path: Path):
    """Labels are configured from the start, so every stage could find them; each runs with one worker, in-process."""
    run, labels = tmp_path / "run", reef / "labels"
    settings = [
        "extract.backbone=classical",
        "extract.input_size=96",
        "train.steps=3",
        "refine.crf_iterations=1",
        "runtime.workers=1",
        f"evaluate.labels={labels}",
        f"evaluate.classes={reef / 'classes.txt'}",
    ]
    sets = [part for pair in settings for part in ("--set", pair)]
    images = {path.resolve() for path in (reef / "images").rglob("*") if path.is_file()}
    seen = opened(tmp_path / "1", reef, "run", str(reef / "images"), str(run), "--to", "export", "-q", *sets)
    assert seen == images  # the watch is not blind; no label, and not the names of the classes either
    finished = json.loads((run / "manifest.json").read_text())["stages"]
    assert list(finished) == ["index", "extract", "mine", "train", "cluster", "refine", "export"]
    assert not (run / "scores").exists()
    seen = opened(tmp_path / "2", reef, "evaluate", str(run), "--labels", str(labels), "-q")
    assert seen == images | {path.resolve() for path in (*labels.rglob("*.png"), reef / "classes.txt")}
    seen = opened(tmp_path / "3", reef, "report", str(run), "-q")  # it shows scores; it never needs labels
    assert seen <= images
    assert (run / "report" / "index.html").exists()
    scores = json.loads((run / "scores" / "scores.json").read_text())
    assert scores["images"] == len(images) == 4
    assert scores["classes"] == (reef / "classes.txt").read_text().split()


def test_points_that_steer_are_opened_by_cluster_alone_and_every_result_says_so(reef: Path, tmp_path: Path):
    run, points = tmp_path / "run", reef / "points.csv"
    names = [path.stem for path in sorted((reef / "images").rglob("*")) if path.is_file()]
    points.write_text("\n".join(["image,row,column,label", *(f"{n},{y},20,l{y}" for n in names for y in (9, 60))]))
    settings = [
        "extract.backbone=classical",
        "extract.input_size=96",
        "train.method=pca",
        "refine.crf=false",
        "runtime.workers=1",
        f"cluster.guide={points}",
        "cluster.hold_out=0.5",
    ]
    sets = [part for pair in settings for part in ("--set", pair)]
    try:
        seen = opened(tmp_path / "1", reef, "run", str(reef / "images"), str(run), "--to", "train", "-q", *sets)
        assert points.resolve() not in seen
        assert points.resolve() in opened(tmp_path / "2", reef, "cluster", str(run), "-q")
        seen = opened(tmp_path / "3", reef, "refine", str(run), "-q")
        assert points.resolve() not in seen
        opened(tmp_path / "4", reef, "evaluate", str(run), "--labels", str(reef / "labels"), "-q")
        opened(tmp_path / "5", reef, "report", str(run), "-q")
        opened(tmp_path / "6", reef, "bundle", str(run), str(tmp_path / "b.zip"), "-q")
    finally:
        points.unlink()
    told = "guided by 4 points of 2 labels in 2 images"
    stages = json.loads((run / "manifest.json").read_text())["stages"]
    said = {name: record["summary"]["guided"] for name, record in stages.items() if "guided" in record["summary"]}
    assert said == {"cluster": told, "evaluate": told}
    assert json.loads((run / "scores" / "scores.json").read_text())["guided"] == told
    assert told in (run / "report" / "index.html").read_text("utf-8")
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        assert json.loads(bundle.read("bundle.json"))["guided"] == told
        assert told in bundle.read("LICENCES.txt").decode()

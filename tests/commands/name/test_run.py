"""`segpipe name` and `segpipe cover` as a user types them, on a run of a small synthetic reef."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from segpipe import pipeline
from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.cli.entry import run_cli
from segpipe.commands.demo.synthetic import write_reef_corpus
from segpipe.commands.name.options import NameOptions
from segpipe.commands.name.run import Named, edited, name_clusters
from segpipe.inference import carry_over as parts
from segpipe.pipeline import existing_run
from segpipe.records.class_names import Entry, Naming

SETS = ("extract.input_size=112", "refine.crf=false", "train.method=pca", "cluster.k=6", "cluster.method=tree")
SMALL = [part for text in SETS for part in ("--set", text)]


@pytest.fixture(scope="module")
def reef(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reef")
    write_reef_corpus(folder, images=6, seed=5)
    return folder


@pytest.fixture(scope="module")
def finished(reef: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("done") / "run"
    labels = ["--set", "evaluate.labels=null", "--set", "evaluate.classes=null"]
    assert run_cli(["run", str(reef / "images"), str(run), "--config", "demo", *SMALL, *labels, "-q"]) == 0
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def said(run: Path) -> dict[int, dict[str, object]]:
    found = yaml.safe_load((run / "classes.yaml").read_text("utf-8"))["clusters"]
    assert isinstance(found, dict)
    return found


def keys(run: Path) -> dict[str, str]:
    stages = json.loads((run / "manifest.json").read_text())["stages"]
    return {name: stage["finished"] + stage["key"] for name, stage in stages.items()}


def test_a_person_names_and_only_the_last_stages_run(run: Path, reef: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["name", str(run)]) == 0
    entries = said(run)
    assert list(entries) == list(range(6))
    for entry in entries.values():
        assert (run / str(entry["picture"])).stat().st_size > 1000
    path = run / "classes.yaml"
    text = path.read_text()
    assert run_cli(["name", str(run)]) == 0
    assert path.read_text() == text
    before = keys(run)
    text = text.replace('name: ""', 'name: "my reef"', 2)
    path.write_text(text.replace('name: ""', 'name: "blue water"', 1))
    assert run_cli(["name", str(run), "--merge", "3", "blue water", "--merge", "4", "0"]) == 0
    assert [entry["name"] for entry in said(run).values()] == ["my reef", "my reef", "blue water", "", "", ""]
    assert (said(run)[3]["merge_into"], said(run)[4]["merge_into"]) == ("blue water", 0)
    later = f"`segpipe run {reef / 'images'} {run} --from export` brings export, cover, report up to date"
    assert later in " ".join(capsys.readouterr().err.split())
    assert run_cli(["run", str(reef / "images"), str(run)]) == 0
    after = keys(run)
    assert pipeline.refresh(pipeline.existing_run(run)) is None
    assert {name for name in after if before[name] != after[name]} == {"export", "cover", "report"}
    with (run / "export" / "classes.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["my reef", "blue water", "cluster 5"]
    assert "my reef" in (run / "report" / "index.html").read_text()
    assert run_cli(["name", str(run), "--suggest", "2"]) == 0
    assert said(run)[3]["merge_into"] == "blue water"  # what a person said stays


def test_names_follow_the_pixels_when_the_number_changes(
    run: Path, reef: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["name", str(run)]) == 0
    path = run / "classes.yaml"
    text = path.read_text()
    for k in range(6):
        text = text.replace('name: ""', f'name: "kind {k}"', 1)
    path.write_text(text)
    named = path.read_text()
    capsys.readouterr()
    assert run_cli(["run", str(reef / "images"), str(run), "--set", "cluster.k=5", "--dry-run"]) == 0
    assert "names in classes.yaml will be carried over" in " ".join(capsys.readouterr().out.split())
    assert path.read_text() == named
    # the fault: it ended here with exit code 2, in the middle
    assert run_cli(["run", str(reef / "images"), str(run), "--set", "cluster.k=5"]) == 0
    assert path.with_name("classes.yaml.before").read_text() == named
    names = [entry["name"] for entry in said(run).values()]
    assert len(names) == 5
    assert len({name for name in names if name}) >= 3  # the tree joins two; the others are the same pixels
    err = capsys.readouterr().err
    assert "kind" in err
    assert "classes.yaml.before" in err
    kept = path.read_bytes()
    with (run / "export" / "classes.csv").open() as file:
        assert {row["name"] for row in csv.DictReader(file)} >= {name for name in names if name}
    before = keys(run)
    assert run_cli(["name", str(run)]) == 0  # nothing is left to be carried over
    assert run_cli(["run", str(reef / "images"), str(run)]) == 0
    assert (path.read_bytes(), keys(run)) == (kept, before)


def test_names_are_proposed_by_labels(run: Path, reef: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = ["--labels", str(reef / "labels"), "--classes", str(reef / "classes.txt"), "--share", "0.3"]
    assert run_cli(["name", str(run), *labels]) == 0
    told = capsys.readouterr()
    names = {str(entry["name"]) for entry in said(run).values()} - {""}
    assert names
    assert names <= set((reef / "classes.txt").read_text().split())
    assert "lie in a cluster of their name" in told.err
    path = run / "classes.yaml"
    first = next(iter(names))
    path.write_text(path.read_text().replace(f'"{first}"', '"my own word"'))
    assert run_cli(["name", str(run), *labels]) == 0
    assert "my own word" in path.read_text()
    assert "(kept)" in capsys.readouterr().out
    before = keys(run)
    cover = [
        "cover",
        str(run),
        "--points",
        str(reef / "labels"),
        "--classes",
        str(reef / "classes.txt"),
        "--gsd",
        "0.01",
    ]
    assert run_cli([*cover, "--set", "cover.n_resamples=100"]) == 0
    with (run / "cover" / "cover_corrected.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == (reef / "classes.txt").read_text().split()
    # every pixel is labelled: the corrected cover is the labels' own
    for row in rows:
        assert float(row["corrected"]) == pytest.approx(float(row["share_of_labels"]), abs=2e-3)
    assert {name for name in before if before[name] != keys(run)[name]} == {"cover"}
    assert "up to date" in capsys.readouterr().out
    assert run_cli(["run", str(reef / "images"), str(run), "-q"]) == 0
    assert run_cli([*cover, "--set", "cover.n_resamples=101"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"`segpipe report {run}` brings the report up to date" in told
    assert run_cli(["report", str(run), "-q"]) == 0
    assert run_cli([*cover, "--set", "cover.n_resamples=101"]) == 0
    assert "brings" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--merge", "9", "0"], "--merge 9 0: there is no cluster '9'"),
        (["--merge", "0", "9"], "--merge 0 9: clusters go from 0 to 5"),
        (["--merge", "0", "1", "--merge", "1", "0"], "merges in a circle"),
        (["--merge", "0", "sand"], "'sand' is the name of no other cluster"),
        (["--classes", "x.txt"], "names labels; give them with --points CSV"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    run: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["name", str(run), *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len([line for line in err.splitlines() if line.startswith("error")]) == 1
    assert not (run / "classes.yaml").exists()


def test_a_slip_in_the_file_stops_export_with_its_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["name", str(run), "-q"]) == 0
    path = run / "classes.yaml"
    path.write_text(path.read_text().replace("ignore: false", "ignore: perhaps", 1))
    line = path.read_text().split("perhaps")[0].count("\n") + 1
    for command in ("export", "cover", "report"):
        assert run_cli([command, str(run)]) == 2
        assert f"classes.yaml:{line}: cluster 0, ignore: 'perhaps' is neither true nor false" in capsys.readouterr().err


def named(run: Path, **options: object) -> Named:
    return name_clusters(existing_run(run), make(NameOptions, {"run": run, **options}), Runtime())


def test_shares_are_those_of_the_pixels_and_pictures_are_told(run: Path) -> None:
    found = named(run)
    pixels = sum(
        np.bincount(np.asarray(Image.open(path)).ravel(), minlength=6) for path in (run / "masks").rglob("*.png")
    )
    assert dict(found.shares) == pytest.approx(dict(enumerate(pixels / pixels.sum())))
    assert (found.path, found.written, found.notes, found.proposed) == (run / "classes.yaml", True, (), None)
    assert list(found.legend.names) == [f"cluster {k}" for k in range(6)]
    assert list(found.pictures) == list(range(6))
    assert all((run / name).is_file() for name in found.pictures.values())
    assert not named(run).written


def test_a_name_of_several_clusters_means_none_of_them(run: Path) -> None:
    named(run)
    path = run / "classes.yaml"
    text = path.read_text("utf-8").replace('name: ""', 'name: "sand"', 2)
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=r"^split=sand: clusters 0, 1 have that name; give the number of one$"):
        named(run, split="sand")
    assert path.read_text("utf-8") == text
    merged = named(run, merge=[("sand", 4)])  # but both can be merged
    assert [entry.merge_into for entry in merged.naming.entries.values()] == [4, 4, None, None, None, None]
    assert merged.legend.classes_of.tolist() == [2, 2, 0, 1, 2, 3]


def test_clusters_at_the_same_place_of_every_frame_are_told_each_time(run: Path) -> None:
    named(run)
    found = run / "gallery" / "fixed.json"
    assert parts.load_fixed(run) == []
    found.write_text("[2]")
    notes = named(run).notes
    assert len(notes) == 1
    assert notes[0].startswith("cluster 2 lies at the same place of every frame: corners of the lens")
    found.unlink()  # of a run of an earlier version: looked for again
    assert named(run).notes == ()
    assert parts.load_fixed(run) == []


def edit(**given: object) -> Naming:
    plain = Naming({k: Entry((k, k, k), "coral" if k == 2 else "") for k in range(5)})
    return edited(plain, make(NameOptions, {"run": "runs/reef", **given}))


def test_single_clusters_are_named_colored_merged_and_left_out() -> None:
    found = edit(
        name=[(0, "sand"), ("coral", "hard coral")], color=[("hard coral", "#010203")], merge=[(1, "sand"), (3, 2)],
        unmerge=[3], ignore=[4, 0], keep=["sand"],
    )  # fmt: skip
    assert found.entries == {
        0: Entry((0, 0, 0), "sand"),
        1: Entry((1, 1, 1), "", "sand"),
        2: Entry((1, 2, 3), "hard coral"),
        3: Entry((3, 3, 3)),
        4: Entry((4, 4, 4), "", None, True),
    }


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"name": [(9, "x")]}, "name=9 x: there is no cluster '9'"),
        ({"color": [(1, "red")]}, "color=1 red: 'red' is no color"),
        ({"unmerge": [1]}, "unmerge=1: cluster 1 is merged into no other"),
        ({"ignore": ["sand"]}, "ignore=sand: there is no cluster 'sand'"),
        ({"keep": [7]}, "keep=7: there is no cluster '7'"),
    ],
)
def test_edits_that_cannot_be_meant_say_which(given: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        edit(**given)

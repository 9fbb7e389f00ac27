"""Names of a run go over to its new clusters by pixels; what could not is said, and the text before is kept."""

from pathlib import Path

import pytest
from PIL import Image as Pillow

import segpipe
from segpipe.base.runtime import Runtime
from segpipe.inference.kept_names import keep_names
from segpipe.pipeline import names_left, open_run
from tests.helpers.quick_run import reef_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return reef_run(tmp_path, images=3).root


def test_names_go_over_or_are_told(run: Path) -> None:
    run_dir = open_run(run)
    assert keep_names(run_dir, Runtime()) == []  # no names yet
    segpipe.name(run)
    path = run / "classes.yaml"
    text = path.read_text()
    for k in range(4):
        text = text.replace('name: ""', f'name: "kind {k}"', 1)
    path.write_text(f"{text}# mine\n")
    assert keep_names(run_dir, Runtime()) == []  # they are of these clusters
    old = segpipe.name(run)
    named = path.read_text()
    before = dict(segpipe.masks(run, classes=False))
    segpipe.cluster(run, settings={"cluster.k": 3})
    segpipe.refine(run)
    assert names_left(run_dir)
    with run_dir.lock():
        notes = keep_names(run_dir, Runtime())
    assert not names_left(run_dir)
    assert path.with_name("classes.yaml.before").read_text() == named
    assert notes[-1] == "what was written before is kept in classes.yaml.before"
    assert "# mine" in path.read_text()
    kept, after = segpipe.name(run), dict(segpipe.masks(run, classes=False))
    assert len(kept) == 3
    for k, entry in kept.items():
        was = next((w for w, other in old.items() if entry["name"] and other["name"] == entry["name"]), None)
        if was is None:
            assert any("not named yet" in note and str(k) in note for note in notes)
            continue
        both = sum(((before[i] == was) & (after[i] == k)).sum() for i in after)
        either = sum(((before[i] == was) | (after[i] == k)).sum() for i in after)
        assert both > either / 2
    gone = {f"kind {k}" for k in range(4)} - {entry["name"] for entry in kept.values()}
    assert gone
    assert all(any(f"({name})" in note for note in notes) for name in gone)
    assert (run / str(kept[0]["picture"])).is_file()


def test_names_go_over_where_photographs_are_added(tmp_path: Path) -> None:
    """It ended with exit code 2 in the middle: classes.yaml spoke of clusters that were gone."""
    run = reef_run(tmp_path, images=3, settings={"train.whiten": 8}).root
    segpipe.name(run)
    path = run / "classes.yaml"
    text = path.read_text()
    for k in range(4):
        text = text.replace('name: ""', f'name: "kind {k}"', 1)
    path.write_text(text)
    before = {name: mask.copy() for name, mask in segpipe.masks(run)}
    names = dict(zip(segpipe.open(run).classes["number"], segpipe.open(run).classes["name"], strict=True))
    with Pillow.open(next((tmp_path / "images").glob("*.jpg"))) as picture:
        picture.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "images" / "added.png")
    segpipe.run(tmp_path / "images", run, stop="export")
    assert path.with_name("classes.yaml.before").read_text() == text
    now = segpipe.open(run).classes
    called = dict(zip(now["name"], now["number"], strict=True))
    after = dict(segpipe.masks(run))
    assert set(after) - set(before) == {"added"}
    kept = {name: number for number, name in names.items() if name in called and name.startswith("kind")}
    assert len(kept) >= 2
    for name, was in kept.items():  # most of what has the name had it before
        both = sum(((before[i] == was) & (after[i] == called[name])).sum() for i in before)
        assert both > sum((after[i] == called[name]).sum() for i in before) / 2

"""What runs again and why, on stages small enough to see through."""

import shutil
from pathlib import Path

import pytest

from segpipe import pipeline
from segpipe.base import files
from segpipe.base.errors import UsageError
from tests.helpers.small_pipeline import ALL, World


def test_everything_runs_once(world: World) -> None:
    assert world.go() == ALL
    assert world.go() == []


def test_a_changed_setting_runs_what_depends_on_it(world: World) -> None:
    world.go()
    assert world.reasons("second.depth=2") == {
        "second": "second.depth 1 -> 2",
        "third": "after second",
        "beside": "after third",
    }
    assert world.go("second.depth=2") == ["second", "third", "beside"]
    assert world.go() == []  # the run remembers its settings
    assert world.go("beside.depth=3") == ["beside"]


def test_a_setting_that_cannot_change_the_result_runs_nothing(world: World) -> None:
    world.go()
    assert world.go("first.batch=9") == []


def test_an_unchanged_fingerprint_stops_the_wave(world: World) -> None:
    world.go()
    assert world.go("first.size=2") == ["first"]  # its content came out the same


def test_a_changed_file_of_the_user_runs_its_stage(world: World, tmp_path: Path) -> None:
    file = tmp_path / "photo"
    file.write_text("a")
    world.files.append(file)
    world.go()
    assert world.go() == []
    file.write_text("bb")
    assert world.reasons()["first"] == "files changed"
    assert world.go() == ["first"]


def test_a_lost_artefact_is_made_again(world: World) -> None:
    world.go()
    shutil.rmtree(world.run_dir.root / "thirds")
    assert world.reasons()["third"] == "thirds/ is gone"
    assert world.go() == ["third"]


def test_from_needs_what_comes_before(world: World) -> None:
    with pytest.raises(UsageError, match=r"first must come first \(not done yet\); run `segpipe first"):
        world.go(start="second")
    world.go()
    with pytest.raises(UsageError, match=r"second must come first \(second.depth 1 -> 2\)"):
        world.go("second.depth=2", start="third")


def test_an_instant_stage_is_done_along_with_a_later_one(world: World) -> None:
    world.stage("second").instant = lambda config: config.depth < 5
    with pytest.raises(UsageError, match="first must come first"):
        world.go(start="third")
    world.go(stop="first")
    with pytest.raises(UsageError, match="second must come first"):
        world.go(start="third")  # never done: the user has asked for no such thing yet
    world.go()
    assert world.go("second.depth=2", start="third") == ["second", "third", "beside"]
    assert world.go(start="third") == []
    with pytest.raises(UsageError, match=r"second must come first \(second.depth 2 -> 7\)"):
        world.go("second.depth=7", start="third")


def test_to_and_force(world: World) -> None:
    assert world.go(stop="second") == ["first", "second"]
    assert world.go(force=["first"], stop="second") == ["first"]
    with pytest.raises(UsageError, match="comes after"):
        world.go(start="third", stop="first")


def test_a_file_that_a_person_writes_into_the_run_runs_what_reads_it(world: World) -> None:
    pipeline.STAGES[3].USER_FILES = ("notes.txt",)  # type: ignore[attr-defined]
    world.go()
    path = world.run_dir.root / "notes.txt"
    path.write_text("a")
    assert world.reasons() == {"beside": "notes.txt changed"}
    assert world.go() == ["beside"]
    path.write_text("a")  # a new time, the same content
    assert world.go() == []
    path.write_text("b")
    assert world.go() == ["beside"]
    path.unlink()
    assert world.reasons() == {"beside": "notes.txt changed"}


def test_runs_of_before_content_counted_do_nothing_again(world: World) -> None:
    world.go()
    manifest = world.run_dir.manifest()
    for name, record in manifest.stages.items():  # as they were written then: known by their keys
        inputs = {needed: manifest.stages[needed].key for needed in record.parts["inputs"] if needed != "first"}
        parts = {**record.parts, "inputs": {**record.parts["inputs"], **inputs}}
        artefact = record.artefact if name == "first" else files.digest(parts)
        old = record.model_copy(update={"parts": parts, "key": files.digest(parts), "artefact": artefact})
        world.run_dir.record(name, old)
        manifest = world.run_dir.manifest()
    assert world.go() == []

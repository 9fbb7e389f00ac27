"""What a stage that fails, or makes something else, leaves."""

from typing import Any

import pytest

from segpipe import pipeline
from segpipe.base.errors import Stopped
from segpipe.base.runtime import Runtime, no_track
from segpipe.store.run_dir import RunDir
from tests.helpers.small_pipeline import Said, World


def work(world: World, *sets: str, **options: Any) -> None:
    pipeline.work(world.run_dir, pipeline.resolve(world.run_dir, sets=sets), no_track, **options)


def test_a_failed_stage_does_not_count_as_done(world: World) -> None:
    world.go()
    settings = pipeline.resolve(world.run_dir, sets=["second.depth=5"])
    second = pipeline.STAGES[1]
    good = second.run
    second.run = lambda *_: (_ for _ in ()).throw(RuntimeError)  # type: ignore[method-assign,assignment]
    with pytest.raises(RuntimeError):
        list(pipeline.run(settings, world.run_dir, Runtime()))
    second.run = good  # type: ignore[method-assign]
    assert world.reasons("second.depth=5")["second"] == "second.depth 1 -> 5"
    assert not (world.run_dir.root / "seconds.partial").exists()
    assert world.go() == []  # back to the old setting: the old artefact was not touched


def test_a_forced_stage_that_fails_leaves_what_was_there(world: World) -> None:
    world.go()
    world.fail("second", RuntimeError("no"))
    with pytest.raises(RuntimeError):
        world.go(force=["second"])
    world.mend("second")
    assert world.go() == []


def test_a_stage_that_fails_once_its_artefact_is_replaced_is_not_done(world: World) -> None:
    world.go()
    world.fail("second", RuntimeError("no"), late=True)
    with pytest.raises(RuntimeError):
        world.go("second.depth=5")
    world.mend("second")
    assert world.go("second.depth=1") == ["second"]  # whose content is what it was


def test_what_an_interrupted_command_left_goes_once_its_settings_are_taken_back(world: World) -> None:
    work(world)
    world.fail("second", Stopped(2))
    with pytest.raises(Stopped):
        work(world, "second.depth=5")
    assert (world.run_dir.root / "seconds.partial").exists()
    world.mend("second")
    assert world.go("second.depth=1") == []
    assert not (world.run_dir.root / "seconds.partial").exists()


def test_a_forced_stage_is_followed_where_it_made_something_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.go()
    assert world.go(force=["second"]) == ["second"]  # the same content under the same key

    def other(settings: Any, run_dir: RunDir, runtime: Runtime) -> Said:
        with run_dir.writing("seconds") as out:
            (out / "value").write_text("another machine")
        return Said(value=0)

    monkeypatch.setattr(pipeline.STAGES[1], "run", other)
    assert world.go(force=["second"]) == ["third", "beside"]
    assert world.go() == []

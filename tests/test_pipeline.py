"""The pipeline's promises, on stages small enough to see through."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from segpipe import pipeline
from segpipe.base.config import Section, setting
from segpipe.base.errors import MachineError, Stopped, UsageError
from segpipe.base.runtime import Runtime, no_track
from segpipe.pipeline import Step
from segpipe.store.run_dir import RunDir


class First(Section):
    size: int = setting(1, "size")
    batch: int = setting(1, "rows at once", result=False)


class Other(Section):
    depth: int = setting(1, "depth")


class Said(BaseModel):
    value: int
    fingerprint: str | None = None


def make_stage(name: str, needs: tuple[str, ...], config: type[Section], log: list[str], **extra: Any) -> Any:
    def run(settings: Any, run_dir: RunDir, runtime: Runtime) -> Said:
        log.append(name)
        with run_dir.writing(f"{name}s") as out:
            (out / "value").write_text(settings.model_dump_json())
        return Said(value=len(log), fingerprint="same" if name == "first" else None)

    return SimpleNamespace(NAME=name, ARTEFACT=f"{name}s", NEEDS=needs, FORMAT=1, Config=config, run=run, **extra)


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.ran: list[str] = []
        self.files: list[Path] = []
        first = make_stage("first", (), First, self.ran, input_files=lambda config: self.files)
        second = make_stage("second", ("first",), Other, self.ran)
        third = make_stage("third", ("second",), Other, self.ran)
        beside = make_stage("beside", ("first",), Other, self.ran, OPTIONAL_INPUTS=("third",))
        stages = (first, second, third, beside)
        monkeypatch.setattr(pipeline, "make_runtime", lambda settings, track: Runtime())
        monkeypatch.setattr(pipeline, "summary_line", lambda record: "")
        monkeypatch.setattr(pipeline, "STAGES", stages)
        monkeypatch.setattr(pipeline, "SECTIONS", {s.NAME: s.Config for s in stages})
        self.run_dir = RunDir(root, {s.ARTEFACT: s.NAME for s in stages})
        root.mkdir()

    def go(self, *sets: str, **options: Any) -> list[str]:
        self.ran.clear()
        settings = pipeline.resolve(self.run_dir, sets=sets)
        pipeline.save_settings(self.run_dir, settings)
        list(pipeline.run(settings, self.run_dir, Runtime(), **options))
        return list(self.ran)

    def stage(self, name: str) -> Any:
        return next(stage for stage in pipeline.STAGES if name == stage.NAME)

    def fail(self, name: str, error: BaseException, *, late: bool = False) -> None:
        """Let a stage raise an error instead of its work, or after it."""
        stage = self.stage(name)
        good = getattr(stage, "good", stage.run)

        def run(*args: Any) -> Any:
            if late:
                good(*args)
            raise error

        stage.good, stage.run = good, run

    def mend(self, name: str) -> None:
        self.stage(name).run = self.stage(name).good

    def reasons(self, *sets: str) -> dict[str, str]:
        steps: list[Step] = pipeline.plan(pipeline.resolve(self.run_dir, sets=sets), self.run_dir)
        return {step.stage.NAME: step.reason for step in steps if step.action == "run"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return World(monkeypatch, tmp_path / "run")


ALL = ["first", "second", "third", "beside"]


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


def work(world: World, *sets: str, **options: Any) -> None:
    pipeline.work(world.run_dir, pipeline.resolve(world.run_dir, sets=sets), no_track, **options)


def config_of(world: World) -> bytes:
    return (world.run_dir.root / "config.yaml").read_bytes()


def test_what_a_stage_cannot_accept_changes_nothing(world: World) -> None:
    """The fault: a wrong backbone was saved, and with the right name again the stage ran in full."""
    work(world)
    before = config_of(world)

    def refuse(config: Any) -> None:
        if config.depth == 9:
            raise UsageError("depth=9: no such depth")

    world.stage("second").accept = refuse
    with pytest.raises(UsageError, match="no such depth"):
        work(world, "first.size=4", "second.depth=9")
    assert config_of(world) == before
    assert world.go() == []  # not even the first stage has run with what was refused


@pytest.mark.parametrize("error", [UsageError("no"), MachineError("no"), RuntimeError("no")])
def test_a_command_that_fails_changes_only_the_settings_of_what_it_did(world: World, error: Exception) -> None:
    work(world)
    before = config_of(world)
    world.fail("second", error)
    with pytest.raises(type(error)):
        work(world, "second.depth=5", "third.depth=7")
    assert pipeline.resolve(world.run_dir)["second"] == Other()
    assert pipeline.resolve(world.run_dir)["third"] == Other()
    with pytest.raises(type(error)):
        work(world, "second.depth=5", start="second")
    assert config_of(world) == before
    with pytest.raises(type(error)):
        work(world, "first.size=4", "second.depth=5")
    own = pipeline.resolve(world.run_dir)
    assert (own["first"], own["second"]) == (First(size=4), Other())
    world.mend("second")
    assert world.go() == []


def test_a_new_run_remembers_what_was_asked_unless_it_was_refused(world: World) -> None:
    world.fail("second", MachineError("no weights"))
    with pytest.raises(MachineError):
        work(world, "second.depth=5", "third.depth=7")
    assert pipeline.resolve(world.run_dir)["third"] == Other(depth=7)


def test_a_new_run_forgets_what_was_refused(world: World) -> None:
    world.fail("second", UsageError("no"))
    with pytest.raises(UsageError):
        work(world, "first.size=4", "second.depth=5")
    own = pipeline.resolve(world.run_dir)
    assert (own["first"], own["second"]) == (First(size=4), Other())
    world.fail("first", UsageError("no"))
    (world.run_dir.root / "config.yaml").unlink()
    with pytest.raises(UsageError):
        work(world, "first.size=5")
    assert not (world.run_dir.root / "config.yaml").exists()


def test_what_an_interrupted_command_left_goes_once_its_settings_are_taken_back(world: World) -> None:
    work(world)
    world.fail("second", Stopped(2))
    with pytest.raises(Stopped):
        work(world, "second.depth=5")
    assert (world.run_dir.root / "seconds.partial").exists()
    world.mend("second")
    assert world.go("second.depth=1") == []
    assert not (world.run_dir.root / "seconds.partial").exists()


def test_an_interrupted_command_keeps_its_settings(world: World) -> None:
    work(world)
    world.fail("second", Stopped(2))
    with pytest.raises(Stopped):
        work(world, "second.depth=5")
    world.mend("second")
    assert world.go() == ["second", "third", "beside"]
    assert pipeline.resolve(world.run_dir)["second"] == Other(depth=5)


def test_from_needs_what_comes_before(world: World) -> None:
    with pytest.raises(UsageError, match=r"first must come first \(not done yet\); run `segpipe first"):
        world.go(start="second")
    world.go()
    with pytest.raises(UsageError, match=r"second must come first \(second.depth 1 -> 2\)"):
        world.go("second.depth=2", start="third")


def test_to_and_force(world: World) -> None:
    assert world.go(stop="second") == ["first", "second"]
    assert world.go(force=["first"], stop="second") == ["first"]
    with pytest.raises(UsageError, match="comes after"):
        world.go(start="third", stop="first")


def test_every_named_config_is_valid() -> None:
    assert set(pipeline.config_names()) == {
        "demo", "folder", "underwater", "camvid", "msrc21", "potsdam", "cityscapes", "cocostuff27",
        "cocostuff27_vits8", "suim",
    }  # fmt: skip
    for name in pipeline.config_names():
        pipeline.resolve(pipeline.open_run(Path("nowhere")), config=name)
        header = (pipeline.configs_dir() / f"{name}.yaml").read_text("utf-8").splitlines()[0]
        assert header.startswith("# segpipe "), f"{name}.yaml must be headed by its command"


def test_the_folder_config_says_the_defaults() -> None:
    run = pipeline.open_run(Path("nowhere"))
    assert pipeline.resolve(run, config="folder") == pipeline.resolve(run)


# what the released STEGO models were trained with: backbone, code length, steps, batch, crops, pointwise, weights and
# shifts of negatives, neighbors and the crop itself
@pytest.mark.parametrize(
    ("name", "layout", "settings", "weights", "shifts"),
    [
        ("cocostuff27", "cocostuff27", ("dino_vitb8", 90, 7000, 32, "five", True), (0.1538, 1, 0.1), (1, 0.2, 0.12)),
        ("cityscapes", "cityscapes27", ("dino_vitb8", 100, 7000, 32, "five", False), (0.9059, 0.5775, 1),
         (0.3136, 0.1754, 0.4583)),
        ("potsdam", "potsdam3", ("dino_vits8", 70, 5000, 16, "whole", True), (0.63, 0.25, 0.67), (0.76, 0.02, 0.08)),
        ("cocostuff27_vits8", "cocostuff27", ("dino_vits8", 70, 5000, 16, "five", True), (0.63, 0.25, 0.67),
         (0.66, 0.02, 0.08)),
    ],
)  # fmt: skip
def test_published_configs_are_those_of_the_released_models(
    name: str,
    layout: str,
    settings: tuple[Any, ...],
    weights: tuple[float, float, float],
    shifts: tuple[float, float, float],
) -> None:
    found = {
        key: part.model_dump() for key, part in pipeline.resolve(pipeline.open_run(Path("x")), config=name).items()
    }
    train = found["train"]
    assert settings == (
        found["extract"]["backbone"], train["dim"], train["steps"], train["batch"], found["index"]["crops"],
        train["pointwise"],
    )  # fmt: skip
    for kind, wanted in (("weight", weights), ("shift", shifts)):
        values = [train[f"{kind}_{term}"] for term in ("negative", "neighbor", "self")]
        assert values == pytest.approx(wanted, abs=5e-5)
    assert (train["samples"], train["negatives"], train["neighbors"], train["lr"]) == (11, 5, 7, 5e-4)
    assert (train["method"], train["shifts"], train["rescue"]) == ("stego", "published", False)
    assert (found["extract"]["input_size"], found["mine"]["same_image"]) == (224, True)
    assert (found["index"]["layout"], found["index"]["split"]) == (layout, "train")
    evaluate = found["evaluate"]
    assert (evaluate["layout"], evaluate["split"], evaluate["protocol"]) == (layout, "val", "published")


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


def test_runs_of_before_content_counted_do_nothing_again(world: World) -> None:
    world.go()
    manifest = world.run_dir.manifest()
    for name, record in manifest.stages.items():  # as they were written then: known by their keys
        inputs = {needed: manifest.stages[needed].key for needed in record.parts["inputs"] if needed != "first"}
        parts = {**record.parts, "inputs": {**record.parts["inputs"], **inputs}}
        artefact = record.artefact if name == "first" else pipeline.files.digest(parts)
        old = record.model_copy(update={"parts": parts, "key": pipeline.files.digest(parts), "artefact": artefact})
        world.run_dir.record(name, old)
        manifest = world.run_dir.manifest()
    assert world.go() == []


@pytest.mark.parametrize(
    "key",
    [
        "extract.input_size",
        "train.steps",
        "train.batch",
        "train.samples",
        "cluster.n_init",
        "cluster.max_iter",
        "cluster.primaps",
        "mine.k",
        "refine.crf_iterations",
        "evaluate.n_resamples",
        "evaluate.folds",
        "cover.n_resamples",
        "runtime.workers",
    ],
)
def test_what_makes_a_run_endless_is_a_typo(key: str) -> None:
    section, name = key.split(".")
    with pytest.raises(ValueError, match="less than or equal"):
        pipeline.SECTIONS[section](**{name: 10**9})


def test_runs_of_before_dinos_positions_keep_timms(tmp_path: Path) -> None:
    run = pipeline.open_run(tmp_path)
    new = pipeline.resolve(run)
    assert new["extract"].model_dump()["positions"] == "auto"
    pipeline.save_settings(run, new)
    assert pipeline.resolve(run) == new
    own = tmp_path / "config.yaml"
    own.write_text(own.read_text("utf-8").replace("  positions: auto\n", ""), "utf-8")
    assert pipeline.resolve(run)["extract"].model_dump()["positions"] == "timm"
    assert pipeline.resolve(run, sets=["extract.positions=dino"])["extract"].model_dump()["positions"] == "dino"
    assert pipeline.resolve(run, config="folder") == new

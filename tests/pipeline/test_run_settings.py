"""Settings of a run: the named configs, and what a command that fails leaves."""

from pathlib import Path
from typing import Any

import pytest

from segpipe import pipeline
from segpipe.base.errors import MachineError, Stopped, UsageError
from segpipe.base.runtime import no_track
from tests.helpers.small_pipeline import First, Other, World


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


def test_an_interrupted_command_keeps_its_settings(world: World) -> None:
    work(world)
    world.fail("second", Stopped(2))
    with pytest.raises(Stopped):
        work(world, "second.depth=5")
    world.mend("second")
    assert world.go() == ["second", "third", "beside"]
    assert pipeline.resolve(world.run_dir)["second"] == Other(depth=5)

"""The options of `run` and of the stages are made from the stages' settings."""

from typing import get_args

from segpipe import pipeline
from segpipe.base.options import declared
from segpipe.commands.run.options import STAGE_OPTIONS, RunOptions, StageName
from segpipe.stages import STAGES


def test_stages_that_can_be_named_are_those_there_are() -> None:
    assert list(get_args(StageName)) == [stage.NAME for stage in STAGES] == list(STAGE_OPTIONS)


def test_what_an_option_stands_for_is_a_setting() -> None:
    known = {f"{name}.{key}" for name, section in pipeline.SECTIONS.items() for key in section.model_fields}
    for options in (RunOptions, *STAGE_OPTIONS.values()):
        assert {key for each in declared(options) for key in each.spelling.of.split()} <= known


def test_labels_classes_and_sites_have_short_spellings() -> None:
    evaluate = {each.name: each.flags for each in declared(STAGE_OPTIONS["evaluate"])}
    assert (evaluate["labels"], evaluate["classes"]) == (("--labels", "--points"), ("--classes",))
    cover = {each.name: each.flags for each in declared(STAGE_OPTIONS["cover"])}
    assert cover["labels"] == ("--labels", "--points")
    assert {"sites", "by", "gsd", "classes"} <= set(cover)


def test_a_stage_is_helped_by_what_its_module_says() -> None:
    text = STAGE_OPTIONS["refine"].__doc__ or ""
    assert text.startswith("A class for every pixel of every image")
    assert "Writes masks/" in text


def test_a_seed_is_that_of_every_stage() -> None:
    (seed,) = (each for each in declared(RunOptions) if each.name == "seed")
    assert {"train.seed", "cluster.seed"} <= {*seed.spelling.of.split()}

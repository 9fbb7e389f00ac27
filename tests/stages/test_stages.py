import inspect

import pytest

from segpipe import stages
from segpipe.base.config import Section
from segpipe.base.cost import Cost, Work

NAMES = [stage.NAME for stage in stages.STAGES]


@pytest.mark.parametrize("stage", stages.STAGES, ids=NAMES)
def test_a_stage_offers_all_that_the_pipeline_asks_for(stage) -> None:
    assert stage.__name__ == f"segpipe.stages.{stage.NAME}"
    assert issubclass(stage.Config, Section)
    assert stage.FORMAT >= 1
    assert list(inspect.signature(stage.run).parameters) == ["config", "run_dir", "runtime"]
    before = NAMES[: NAMES.index(stage.NAME)]
    assert set(stage.NEEDS) <= set(before)
    assert not set(stages.optional_inputs(stage)) & set(stage.NEEDS)
    assert set(stages.optional_inputs(stage)) <= set(NAMES) - {stage.NAME}
    assert isinstance(stages.user_files(stage), tuple)


def test_each_artefact_has_one_maker_and_costs_are_positive() -> None:
    assert len(set(NAMES)) == len(stages.MAKERS) == len(NAMES)
    settings = {stage.NAME: stage.Config() for stage in stages.STAGES if stage.NAME != "index"}
    work = Work(images=10, crops=50, megapixels=20.0, workers=2, gflops=50.0)
    for stage in stages.STAGES[1:]:
        cost = stages.cost_of(stage, settings, work)
        assert isinstance(cost, Cost)
        assert cost.seconds >= 0
        assert cost.bytes >= 0

"""What light could have made, by the best that is there to tell."""

from dataclasses import replace

import numpy as np

from segpipe.base.options import make
from segpipe.base.runtime import Runtime
from segpipe.commands.change.measured_light import Light, measure_light
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.second_date import legend_of
from segpipe.commands.change.survey import open_survey
from segpipe.store.features import FeatureStore
from tests.commands.change.conftest import Reefs

# on ground that did not change: tests/commands/change/test_unchanged.py, by the whole command


def test_masks_are_made_again_where_features_drift_alone(reefs: Reefs) -> None:
    given = make(ChangeOptions, {"run_a": "a", "second": "b", "out": "o"})
    survey = open_survey(reefs.run, legend_of(reefs.run), "date")
    calm = measure_light((survey, survey), (), given, Runtime())
    assert isinstance(calm, Light)
    assert calm.drift is not None
    assert (calm.drift.seen, calm.effect, calm.unchanged) == (False, None, ())
    dim = FeatureStore(survey.run_dir.path("features")).header.dim
    away = replace(survey, shift=np.full(dim, -2.0, np.float32))
    moved = measure_light((survey, away), (), given, Runtime())
    assert moved.drift is not None
    assert moved.drift.seen
    assert moved.effect is not None
    assert moved.effect.unevenness == moved.drift.unevenness

"""Masks without the drift of features: those that the pipeline makes with another head."""

from pathlib import Path

import numpy as np
import pytest

from segpipe import pipeline
from segpipe.base.runtime import Runtime, no_track
from segpipe.commands.change.drift_masks import measure_effect
from segpipe.commands.change.harmonize import shifted_model
from segpipe.commands.change.second_date import legend_of
from segpipe.commands.change.survey import SurveyDate, open_survey
from segpipe.ops.change.feature_drift import FeatureDrift
from segpipe.ops.change.light_effect import LightEffect
from segpipe.pipeline import open_run
from segpipe.store.features import FeatureStore
from segpipe.store.run_dir import RunDir
from tests.commands.change.conftest import Reefs


def survey_of(run: RunDir) -> SurveyDate:
    return open_survey(run, legend_of(run), "date")


def effect_of(survey: SurveyDate, shift: float, *, workers: int = 1) -> LightEffect:
    dim = FeatureStore(survey.run_dir.path("features")).header.dim
    drift = FeatureDrift(np.full(dim, shift, np.float32), 1.0, 0.1, 0.8)
    return measure_effect(survey, drift, Runtime(workers=workers), seed=0)


def test_without_a_shift_masks_are_those_that_are_there(reefs: Reefs) -> None:
    survey = survey_of(reefs.run)
    found = effect_of(survey, 0.0)
    pixels = np.array([[line["pixels"].get(str(k), 0) for k in range(4)] for line in survey.index]).sum(axis=0)
    np.testing.assert_allclose(found.moves, np.diag(pixels / pixels.sum()))
    assert found.unevenness == pytest.approx(0.5)


def test_with_a_shift_they_are_those_of_a_head_that_takes_it_away(reefs: Reefs, tmp_path: Path) -> None:
    model, again = open_run(tmp_path / "model"), open_run(tmp_path / "run")
    settings = pipeline.resolve(reefs.run)
    dim = FeatureStore(reefs.run.path("features")).header.dim
    shifted_model(reefs.run, model, settings, np.full(dim, 0.05, np.float32))
    pipeline.keep_classes(again, settings, model)
    pipeline.work(again, settings, no_track, stop="refine")
    first, other = survey_of(reefs.run), survey_of(again)
    wanted = np.zeros((4, 4))
    for image in first.images:
        np.add.at(wanted, (other.labels(image).ravel(), first.labels(image).ravel()), 1)
    found = effect_of(first, 0.05)
    np.testing.assert_allclose(found.moves, wanted / wanted.sum())
    assert np.abs(found.by_light).max() > 0.01
    np.testing.assert_array_equal(effect_of(first, 0.05, workers=2).moves, found.moves)


def test_a_sample_of_many_images(reefs: Reefs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segpipe.commands.change.drift_masks._TILES", 3)
    whole = effect_of(survey_of(reefs.run), 0.0)
    np.testing.assert_allclose(whole.moves.sum(), 1)
    assert not (whole.moves - np.diag(np.diag(whole.moves))).any()


def test_images_that_are_gone_take_no_part(reefs: Reefs, caplog: pytest.LogCaptureFixture) -> None:
    survey = survey_of(reefs.run)
    paths = [survey.corpus.root / image.path for image in survey.corpus.images]
    away = [path.rename(path.with_suffix(".away")) for path in paths[:1]]
    try:
        assert effect_of(survey, 0.0).known
        assert "measured on 5 of 6 masks" in caplog.text
        away += [path.rename(path.with_suffix(".away")) for path in paths[1:]]
        assert not effect_of(survey, 0.0).known
    finally:
        for path in away:
            path.rename(path.with_suffix(".png"))

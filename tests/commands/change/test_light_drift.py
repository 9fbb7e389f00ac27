"""Drift between the runs of two dates."""

from dataclasses import replace

import numpy as np

from segpipe.commands.change.light_drift import PatchClasses, drift_between, sample_patches
from segpipe.commands.change.second_date import legend_of
from segpipe.commands.change.survey import open_survey
from segpipe.inference.plain_codes import open_plain_head
from segpipe.store.clusters import open_clusters
from segpipe.store.features import FeatureStore
from tests.commands.change.conftest import Reefs


def test_a_date_does_not_drift_from_itself_and_a_shift_is_measured(reefs: Reefs) -> None:
    survey = open_survey(reefs.run, legend_of(reefs.run), "date")
    same = drift_between(survey, survey, seed=0)
    assert same is not None
    assert same.size < 1e-6
    store = FeatureStore(reefs.run.path("features"))
    away = np.full(store.header.dim, -0.05, np.float32)
    found = drift_between(survey, replace(survey, shift=away), seed=0)
    assert found is not None
    np.testing.assert_allclose(found.shift, 0.05, atol=0.02)


def test_a_sample_is_even_and_says_the_image_of_each_patch(reefs: Reefs) -> None:
    survey = open_survey(reefs.run, legend_of(reefs.run), "date")
    store = FeatureStore(reefs.run.path("features"))
    patches, images = sample_patches(survey, store, seed=0)
    assert patches.shape == (len(images), store.header.dim)
    assert np.unique(images).tolist() == list(range(6))
    half, some = sample_patches(replace(survey, images=(0, 2)), store, seed=0)
    assert len(np.unique(some)) == 2
    assert len(half) < len(patches)


def test_patches_have_the_classes_of_the_run(reefs: Reefs) -> None:
    legend = legend_of(reefs.run)
    assign = PatchClasses(open_plain_head(reefs.run.path("head")), open_clusters(reefs.run), legend)
    survey = open_survey(reefs.run, legend, "date")
    store = FeatureStore(reefs.run.path("features"))
    shares = np.bincount(assign(sample_patches(survey, store, seed=0)[0]), minlength=4)
    pixels = np.array([[line["pixels"].get(str(k), 0) for k in range(4)] for line in survey.index]).sum(axis=0)
    assert np.abs(shares / shares.sum() - pixels / pixels.sum()).max() < 0.15

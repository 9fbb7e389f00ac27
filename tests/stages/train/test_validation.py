"""The exam of heads: who is a patch's partner, and what heads that know or ignore the classes score."""

from pathlib import Path

import numpy as np
import pytest

from segpipe.nn.head import linear_head
from segpipe.stages import train
from segpipe.stages.train.validation import Validator, open_exam
from segpipe.store.features import FeatureStore
from tests.stages.train.test_train import mined

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def test_partners_are_the_nearest_patches_of_other_images(tmp_path: Path) -> None:
    run_dir = mined(tmp_path, images=4)
    store, data = FeatureStore(run_dir.path("features")), train.open_material(train.Config(batch=2), run_dir)
    exam = open_exam(data)
    assert exam is not None
    patches = [store.patches(row).reshape(-1, 16).astype(np.float64) for row in range(4)]
    image = np.repeat(np.arange(4), [len(each) for each in patches])
    centered = np.concatenate(patches) - np.concatenate(patches).mean(0)
    centered /= np.linalg.norm(centered, axis=1, keepdims=True)
    cosines = centered @ centered.T
    cosines[image[:, None] == image] = -np.inf
    assert len(exam.queries) == len(centered)  # all of them: fewer than the exam may ask
    found = cosines[exam.queries, exam.partners]
    np.testing.assert_allclose(found, cosines.max(1)[exam.queries], atol=1e-5)


def test_a_head_that_keeps_the_classes_scores_higher_than_one_that_drops_them(tmp_path: Path) -> None:
    data = train.open_material(train.Config(batch=2), mined(tmp_path, images=12))
    mean, directions = data.principal_components(16)
    validator = Validator(data)
    good, bad = (validator.score(linear_head(rows, mean)) for rows in (directions[:3], directions[-3:]))
    assert good is not None
    assert bad is not None
    assert good > bad + 0.3
    assert validator.score(linear_head(directions[:3], mean)) == good


def test_one_crop_has_no_score(tmp_path: Path) -> None:
    data = train.open_material(train.Config(batch=1), mined(tmp_path, images=1))
    mean, directions = data.principal_components(3)
    assert Validator(data).score(linear_head(directions, mean)) is None

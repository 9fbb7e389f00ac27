import logging
from pathlib import Path

import numpy as np
import pytest

from segpipe.base.runtime import Runtime
from segpipe.stages import mine
from segpipe.store.pairs import load_pairs
from tests.helpers.planted_run import plant


def test_pairs_leave_out_the_own_image_unless_asked(tmp_path: Path) -> None:
    run_dir, _ = plant(tmp_path, images=6, crops=3)
    summary = mine.run(mine.Config(k=4), run_dir, Runtime())
    pairs = load_pairs(run_dir.path("pairs"))
    assert (pairs.neighbors // 3 != np.arange(18)[:, None] // 3).all()
    assert (summary.crops, summary.k, summary.index, summary.same_image) == (18, 4, "exact", False)
    assert summary.mean_score == pytest.approx(pairs.scores.mean(), abs=1e-5)
    mine.run(mine.Config(k=17, same_image=True), run_dir, Runtime())
    assert load_pairs(run_dir.path("pairs")).neighbors.shape == (18, 17)


def test_k_is_lowered_to_what_there_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir, _ = plant(tmp_path, images=4, blank=1)
    summary = mine.run(mine.Config(), run_dir, Runtime())
    assert (summary.k, summary.wanted, summary.blank) == (2, 7, 1)
    assert "mine.k=7" in caplog.text
    pairs = load_pairs(run_dir.path("pairs"))
    assert 3 not in pairs.neighbors  # the blank crop is nobody's neighbor
    assert (pairs.scores[3] == 0).all()


@pytest.mark.parametrize(("crops", "k"), [(1, 0), (3, 2)])
def test_a_single_image(tmp_path: Path, crops: int, k: int, caplog: pytest.LogCaptureFixture) -> None:
    run_dir, _ = plant(tmp_path, images=1, crops=crops)
    with caplog.at_level(logging.ERROR):
        summary = mine.run(mine.Config(), run_dir, Runtime())
    assert (summary.k, summary.same_image) == (k, True)
    assert (summary.mean_score is None) == (k == 0)
    assert load_pairs(run_dir.path("pairs")).neighbors.shape == (crops, k)


def test_of_a_single_picture_nobody_expects_pairs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir, _ = plant(tmp_path, images=1)
    mine.run(mine.Config(k=7), run_dir, Runtime())
    assert "mine.k" not in caplog.text


def test_one_pair_is_said_in_the_singular(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_dir, _ = plant(tmp_path, images=2)
    mine.run(mine.Config(k=7), run_dir, Runtime())
    assert "only 1 crop to pair each crop with, so 1 is kept" in caplog.text

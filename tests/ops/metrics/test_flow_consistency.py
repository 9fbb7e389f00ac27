"""Flow consistency: on pictures that move by a known step."""

import numpy as np
import pytest

from segpipe.ops.metrics.flow_consistency import (
    FlowScore,
    Kept,
    count_kept,
    optical_flow,
    score_kept,
    targets,
    trusted,
)
from tests.helpers.textured import textured

NODATA = 255
STEP = 6


@pytest.fixture(scope="module")
def pictures():
    """A picture and what a camera sees of it `STEP` pixels further to the right."""
    wide = textured(96, 160, seed=1)
    return wide[:, :120], wide[:, STEP : STEP + 120]


def classes(left):
    """Stripes that move with the picture: those that a camera `left` pixels further to the right sees."""
    return ((np.arange(120) + left) // 20 % 3)[None].repeat(96, 0).astype(np.uint8)


def follow(pictures, maps):
    forward, backward = optical_flow(*pictures), optical_flow(*reversed(pictures))
    return count_kept(forward, trusted(forward, backward), *maps, nodata=NODATA)


def test_flow_finds_the_step(pictures):
    flow = optical_flow(*pictures)
    middle = flow[20:-20, 20:-20]
    assert np.median(middle[..., 0]) == pytest.approx(-STEP, abs=0.3)
    assert np.median(middle[..., 1]) == pytest.approx(0, abs=0.3)
    rows, columns, inside = targets(np.full((4, 10, 2), (-3.2, 1.0), np.float32))
    assert rows[:, 0].tolist() == [1, 2, 3, 3]
    assert columns[0].tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert inside.sum() == 3 * 7


def test_classes_that_move_with_the_picture_are_kept(pictures):
    found = score_kept(follow(pictures, (classes(0), classes(STEP), classes(30))))
    assert found.kept is not None
    assert found.kept > 0.97
    assert found.still == pytest.approx(0.7, abs=0.05)  # six columns of each twenty are of the next stripe
    assert found.chance == pytest.approx(0.0, abs=0.55)
    assert found.above_chance is not None
    assert found.above_chance > 0.9
    assert found.followed is not None
    assert found.followed > 0.8
    assert found.motion == pytest.approx(STEP, abs=0.5)


def test_one_class_everywhere_keeps_all_and_is_not_above_chance(pictures):
    constant = np.ones((96, 120), np.uint8)
    found = score_kept(follow(pictures, (constant, constant, constant)))
    assert (found.kept, found.still, found.chance, found.above_chance) == (1, 1, 1, 0)
    assert found.constant == 1


def test_classes_at_random_are_not_above_chance(pictures):
    rng = np.random.default_rng(0)
    maps = rng.integers(3, size=(3, 96, 120)).astype(np.uint8)
    found = score_kept(follow(pictures, maps))
    assert found.kept == pytest.approx(1 / 3, abs=0.03)
    assert found.above_chance == pytest.approx(0, abs=0.04)


def test_pixels_without_a_class_in_any_map_do_not_count(pictures):
    maps = [classes(0), classes(STEP), classes(30)]
    whole = follow(pictures, maps)
    holed = [one.copy() for one in maps]
    holed[0][:48] = NODATA
    half = follow(pictures, holed)
    assert half.all == 48 * 120
    assert 0.4 * whole.pixels < half.pixels < 0.6 * whole.pixels
    empty = [np.full((96, 120), NODATA, np.uint8)] * 3
    assert score_kept(follow(pictures, empty)) == FlowScore(None, None, None, None, None, None)


def test_counts_of_pairs_add_up():
    one, other = Kept(10, 20, 5.0, 8, 6, 2), Kept(30, 30, 3.0, 24, 20, 14)
    assert one + other == Kept(40, 50, 8.0, 32, 26, 16)
    assert score_kept(one + other) == FlowScore(0.8, 0.65, 0.4, pytest.approx(2 / 3), 0.8, 0.2)


def test_flow_between_unlike_pictures_is_not_trusted():
    one, other = textured(96, 120, seed=2), textured(96, 120, seed=3)
    assert trusted(optical_flow(one, other), optical_flow(other, one)).mean() < 0.4  # of a true step more than 0.8


def test_small_pictures_have_no_flow_and_sizes_must_agree():
    small = np.zeros((9, 40, 3), np.uint8)
    assert not optical_flow(small, small).any()
    with pytest.raises(ValueError, match="differ in size"):
        optical_flow(small, np.zeros((9, 41, 3), np.uint8))

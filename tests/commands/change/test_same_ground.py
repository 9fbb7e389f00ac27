"""Transitions of two class maps of the same ground."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from segpipe.base.geometry import Box
from segpipe.base.runtime import no_track
from segpipe.commands.change.same_ground import ChangedPart, Ground, changed_part, compare_ground, plan_ground
from segpipe.ops.change.ground_grid import GroundLink
from tests.commands.change.conftest import SHIFT, SameGround


def compared(ground: SameGround, shift: tuple[float, float]) -> tuple[Ground, npt.NDArray[np.uint8]]:
    link = GroundLink(*(survey.corpus.images[0].geo for survey in ground.surveys)).shifted(*shift)
    found = plan_ground(*ground.surveys, (0, 0), link, None)
    assert found is not None
    written = np.zeros((found.box.height, found.box.width, 3), np.uint8)

    def put(box: Box, maps: npt.NDArray[np.uint8]) -> None:
        written[box.slices] = maps

    compare_ground(*ground.surveys, found, put, no_track, tolerance=2.0)
    return found, written


def test_aligned_maps_give_the_transitions_that_were_drawn(same_ground: SameGround) -> None:
    found, maps = compared(same_ground, SHIFT)
    seen = maps[..., 1] != 255
    np.testing.assert_array_equal(maps[..., 0][seen], same_ground.before[found.box.slices][seen])
    assert (maps[..., 1][seen] == same_ground.after[found.box.slices][seen]).mean() > 0.99
    assert found.transitions.sum() == seen.sum()
    assert found.pixel is not None
    assert abs(found.pixel - 0.0025) < 1e-9
    moves = found.transitions - np.diag(np.diag(found.transitions))
    assert np.unravel_index(moves.argmax(), moves.shape) == (1, 2)  # coral that is algae now
    assert found.certain_transitions[1, 2] > 0.9 * moves[1, 2]
    part = changed_part([found], None, draws=300, seed=0)
    assert part.low < same_ground.changed < part.high
    assert abs(part.share - same_ground.changed) < 0.01


def test_maps_that_lie_off_change_along_borders_which_is_not_certain(same_ground: SameGround) -> None:
    found, _ = compared(same_ground, (0.0, 0.0))
    aligned, _ = compared(same_ground, SHIFT)
    assert (found.transitions - np.diag(np.diag(found.transitions))).sum() > 1.3 * (
        aligned.transitions - np.diag(np.diag(aligned.transitions))
    ).sum()


def test_what_drift_makes_is_taken_off_the_lower_end(same_ground: SameGround) -> None:
    found, _ = compared(same_ground, SHIFT)
    moves = np.zeros((4, 4))
    moves[1, 2] = 0.5
    part = changed_part([found], moves, draws=100, seed=0)
    assert isinstance(part, ChangedPart)
    assert part.low < 0.005
    assert part.share == changed_part([found], None, draws=100, seed=0).share


def test_what_unchanged_ground_shows_is_taken_off_the_lower_end() -> None:
    """Of the ground a fifth changed for certain, and as much of ground that did not: nothing is left of it."""
    kept, moved = np.diag([8, 0]), np.array([[0, 2], [0, 0]])
    blocks = [kept + moved for _ in range(20)]
    ground = Ground("a", "b", GroundLink(None, None), None, Box(0, 0, 10, 20), None, 1.0, blocks, [moved] * 20)
    calm = replace(ground, certain=[moved // 2] * 20)
    part = changed_part([ground], None, draws=200, seed=0, unchanged=[ground])
    assert (part.share, part.low, part.high, part.unchanged) == pytest.approx((0.2, 0.0, 0.2, 0.2))
    part = changed_part([ground], None, draws=200, seed=0, unchanged=[calm])
    assert (part.share, part.low) == pytest.approx((0.2, 0.1))
    assert changed_part([ground], None, draws=200, seed=0).unchanged is None


def test_grounds_of_other_resolutions_count_by_their_area() -> None:
    link, kept, moved = GroundLink(None, None), np.diag([60, 40]), np.array([[0, 60], [40, 0]])
    grounds = [
        Ground(name, "b", link, None, Box(0, 0, 10, 10), pixel, 1.0, [counts], [np.zeros((2, 2), np.int64)])
        for name, counts, pixel in (("coarse", kept, 4.0), ("fine", moved, 1.0))
    ]
    assert changed_part(grounds, None, draws=100, seed=0).share == 0.2
    unknown = [replace(grounds[0], pixel=None), grounds[1]]
    assert changed_part(unknown, None, draws=100, seed=0).share == 0.5


def test_small_maps_are_kept_for_the_page(same_ground: SameGround) -> None:
    found, maps = compared(same_ground, SHIFT)
    assert [each.shape for each in found.shown] == [maps.shape[:2]] * 3
    np.testing.assert_array_equal(np.stack(found.shown, axis=-1), maps)


def test_ground_that_is_not_shared(same_ground: SameGround) -> None:
    link = GroundLink(*(survey.corpus.images[0].geo for survey in same_ground.surveys)).shifted(5000, 0)
    assert plan_ground(*same_ground.surveys, (0, 0), link, None) is None

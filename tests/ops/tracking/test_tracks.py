"""Tracks: lost and found again, ended and begun by cuts, joined over cuts."""

import numpy as np
import pytest

from segpipe.ops.tracking.appearance import Discovery
from segpipe.ops.tracking.tracks import Following, Memory, TrackedFrame, join, step
from tests.helpers.tracked_frames import PATCHES, TWO, frame

HOW, RULES = Discovery(objects=2), Following()


def walk(films: list, *, cuts: tuple[int, ...] = (), rules: Following = RULES) -> list[TrackedFrame]:
    memory, found = Memory(), []
    for i, facets in enumerate(films):
        memory, one = step(memory, facets, HOW, rules, cut=i in cuts)
        found.append(one)
    return found


def seen(found: TrackedFrame) -> list[int]:
    return [sighting.track for sighting in found.sightings if sighting.seen]


def test_a_track_is_lost_behind_something_and_found_again() -> None:
    hidden = frame({0: TWO[0]}, seed=3)
    found = walk([frame(TWO), frame(TWO, seed=1), hidden, hidden, frame({0: [1, 2], 1: [33, 34, 35]}, seed=4)])
    assert [seen(one) for one in found] == [[1, 2], [1, 2], [1], [1], [1, 2]]
    assert [one.scene for one in found] == [1] * 5
    assert found[0].sightings[0].score == pytest.approx(1)
    assert found[2].sightings[1].score < 0.4
    assert found[4].maps.shape == (2, PATCHES)
    assert found[2].maps.shape == (1, PATCHES)


def test_a_cut_ends_tracks_and_begins_others() -> None:
    found = walk([frame(TWO), frame(TWO, seed=1), frame(TWO, seed=2), frame(TWO, seed=3)], cuts=(2,))
    assert [seen(one) for one in found] == [[1, 2], [1, 2], [3, 4], [3, 4]]
    assert [one.scene for one in found] == [1, 1, 2, 2]


def test_an_object_that_comes_back_after_a_cut_keeps_its_number() -> None:
    other = {3: [5, 6, 7], 4: [30, 31, 32, 33]}
    again = {1: [11, 12, 13], 5: [25, 26, 27]}
    films = [frame(TWO), frame(other, seed=1), frame(again, seed=2)]
    rules = Following(rejoin=0.8)
    assert [seen(one) for one in walk(films, cuts=(1, 2), rules=rules)] == [[1, 2], [3, 4], [2, 5]]
    assert [seen(one) for one in walk(films, cuts=(1, 2))] == [[1, 2], [3, 4], [5, 6]]


def test_each_earlier_track_is_joined_once_best_pairs_first() -> None:
    earlier = {7: np.array([1.0, 0.0]), 9: np.array([0.9, 0.1])}
    assert join(np.array([[0.9, 0.1], [1.0, 0.0]]), earlier, least=0.5) == {0: 9, 1: 7}
    assert join(np.array([[0.0, 1.0]]), earlier, least=0.5) == {}
    assert join(np.zeros((0, 2)), earlier, least=0.5) == {}
    assert join(np.eye(2), {}, least=0.5) == {}


def test_what_ended_is_kept_only_where_it_may_be_joined() -> None:
    for rejoin, kept in ((0.0, []), (0.9, [1, 2])):
        memory = Memory()
        for cut in (True, True):
            memory, _ = step(memory, frame(TWO), HOW, Following(rejoin=rejoin), cut=cut)
        assert list(memory.earlier) == kept


def test_an_object_without_a_patch_is_no_track() -> None:
    """A head that attends to everything alike sees the ground, which owns its patches itself."""
    flat = frame(TWO, attended={0: TWO[0], 1: list(range(PATCHES))})
    memory, found = step(Memory(), flat, HOW, RULES, cut=False)
    assert memory.begun == len(found.sightings) >= 1
    owned = found.maps.argmax(axis=0)[found.maps.max(axis=0) > found.rest]
    assert set(owned.tolist()) == set(range(memory.begun))

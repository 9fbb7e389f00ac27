"""Transitions and how sure they are."""

import numpy as np

from segpipe.ops.change.transition import change_certainty, count_transitions, margin_of


def test_transitions_are_counted_where_both_dates_have_a_class() -> None:
    first = np.array([[0, 0, 1], [1, 255, 0]], np.uint8)
    second = np.array([[0, 1, 1], [255, 1, 1]], np.uint8)
    np.testing.assert_array_equal(count_transitions(first, second, 2), [[1, 2], [0, 1]])


def test_a_border_that_moved_a_little_is_not_sure_and_a_colony_that_died_is() -> None:
    first = np.zeros((120, 160), np.uint8)
    first[:, 80:] = 1
    second = first.copy()
    second[:, 80:82] = 0  # the border lies two pixels further right
    first[40:70, 20:50] = 2
    second[40:70, 20:50] = 1  # a colony of class 2 is class 1 now, far from any other 1 and 2
    sure = change_certainty(first, second, 3, tolerance=2.0)
    assert sure[first == second].max() == 0
    assert 64 <= sure[60, 81] <= 128  # a pixel or two away from where a border could have lain
    assert sure[55, 35] > 220
    assert sure[42, 49] > 220  # its edge too: no border of 1 was near


def test_slivers_and_specks_come_and_go() -> None:
    first, second = np.zeros((80, 80), np.uint8), np.zeros((80, 80), np.uint8)
    second[20:23, 20:23] = 1
    second[40, 5:75] = 1
    second[50:60, 50:60] = 1
    sure = change_certainty(first, second, 2, tolerance=2.0)
    assert sure[20:23, 20:23].max() == sure[40, 5:75].max() == 128
    assert sure[50:60, 50:60].min() > 220


def test_windows_fit_together() -> None:
    rng = np.random.default_rng(0)
    first, second = (np.kron(rng.integers(0, 3, (20, 20)), np.ones((12, 12))).astype(np.uint8) for _ in range(2))
    whole, margin = change_certainty(first, second, 3, tolerance=1.5), margin_of(1.5)
    part = (slice(60 - margin, 140 + margin), slice(70 - margin, 150 + margin))
    again = change_certainty(first[part], second[part], 3, tolerance=1.5)[margin:-margin, margin:-margin]
    assert np.abs(again.astype(int) - whole[60:140, 70:150]).max() <= 1


def test_nothing_that_changed_and_nothing_that_is_known() -> None:
    same = np.full((5, 5), 1, np.uint8)
    assert not change_certainty(same, same, 2, tolerance=2).any()
    assert not change_certainty(same, np.full((5, 5), 255, np.uint8), 2, tolerance=2).any()

"""Classes that lie at one place of every frame, by images made so."""

import numpy as np
import pytest

from segpipe.ops.frame_places import FramePlaces

SIDE = 24
ROWS, COLS = (np.divmod(np.arange(SIDE**2), SIDE)[axis] for axis in (0, 1))
CORNER = ((np.minimum(ROWS, SIDE - 1 - ROWS) < 3) & (np.minimum(COLS, SIDE - 1 - COLS) < 3)).astype(bool)


def frame(rng: np.random.Generator) -> np.ndarray:
    """0: corners, 1: an animal anywhere, 2: water above a horizon that moves, 3: the rest."""
    classes = np.full(SIDE**2, 3)
    classes[rng.integers(8, 16) > ROWS] = 2
    top, left = rng.integers(0, SIDE - 6, 2)
    classes[(top <= ROWS) & (top + 6 > ROWS) & (left <= COLS) & (left + 6 > COLS)] = 1
    classes[CORNER] = 0
    return classes


def places(images: int) -> FramePlaces:
    rng, found = np.random.default_rng(0), FramePlaces(5)
    for _ in range(images):
        found.add((ROWS + 0.5) / SIDE, (COLS + 0.5) / SIDE, frame(rng))
    return found


def test_corners_of_all_photographs_are_told_and_what_lives_in_them_is_not() -> None:
    found = places(40)
    assert found.fixed() == [0]
    explained = found.explained()
    assert explained[0] == pytest.approx(1)
    assert explained[1] < 0.2
    assert np.isnan(explained[4])  # in no frame


def test_few_images_tell_nothing() -> None:
    assert places(7).fixed() == []
    assert places(8).fixed() == [0]
    assert FramePlaces(3).fixed() == []


def test_the_share_that_places_explain_is_that_of_an_analysis_of_variance() -> None:
    """By the sums of squares of a one-way layout: cells are groups, frames their members."""
    rng, found, shares = np.random.default_rng(1), FramePlaces(5), []
    for _ in range(12):
        classes = frame(rng)
        found.add((ROWS + 0.5) / SIDE, (COLS + 0.5) / SIDE, classes)
        blocks = (classes == 2).reshape(8, 3, 8, 3).mean(axis=(1, 3))
        shares.append(blocks.ravel())
    table = np.array(shares)
    between = len(table) * ((table.mean(axis=0) - table.mean()) ** 2).sum()
    assert found.explained()[2] == pytest.approx(between / ((table - table.mean()) ** 2).sum())


def test_a_class_that_is_in_few_frames_or_fills_them_is_not_told() -> None:
    rng, found = np.random.default_rng(0), FramePlaces(3)
    for i in range(20):
        classes = np.where(COLS < 12, 1, 2)  # each half of the frame: more than a quarter
        classes[CORNER & (i % 4 == 0)] = 0  # in a quarter of the frames
        found.add((ROWS + rng.random()) / SIDE, (COLS + 0.5) / SIDE, classes)
    assert found.fixed() == []

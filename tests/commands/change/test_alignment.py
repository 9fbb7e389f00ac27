"""Alignment of two mosaics."""

import numpy as np

from segpipe.base.geometry import Box, Size
from segpipe.commands.change.alignment import box_of, measure_shift, seen_larger, warped, warped_colors
from segpipe.images.corpus_reader import open_original
from segpipe.ops.change.ground_grid import GroundLink
from segpipe.records.geo import Geo
from tests.commands.change.conftest import SHIFT, SameGround
from tests.helpers.two_dates import named_survey


def link_of(ground: SameGround) -> GroundLink:
    return GroundLink(*(survey.corpus.images[0].geo for survey in ground.surveys))


def test_a_shift_and_another_exposure_are_aligned_within_a_tenth_of_a_pixel(same_ground: SameGround) -> None:
    link, shift = measure_shift(*same_ground.surveys, (0, 0), link_of(same_ground))
    assert shift is not None
    assert abs(shift.rows - SHIFT[0]) < 0.1
    assert abs(shift.cols - SHIFT[1]) < 0.1
    assert shift.spread < 0.2
    assert shift.used >= 0.8 * shift.windows
    assert (link.rows, link.cols) == (shift.rows, shift.cols)


def test_other_ground_has_no_shift(same_ground: SameGround) -> None:
    link = link_of(same_ground).shifted(150.0, 200.0)  # far from where the second mosaic lies
    found, shift = measure_shift(*same_ground.surveys, (0, 0), link)
    assert shift is None
    assert found == link


def test_a_window_of_the_second_mosaic_on_the_grid_of_the_first(same_ground: SameGround) -> None:
    image = same_ground.second.corpus.images[0]
    link = link_of(same_ground).shifted(*SHIFT)
    with open_original(same_ground.second.corpus, image) as read:
        gray, held = warped(read, Box(0, 0, 60, 70), link, image.size, "linear")
        outside, none = warped(read, Box(0, 0, 8, 8), link.shifted(-500, 0), image.size, "nearest")
    assert gray.shape == (60, 70)
    assert not held[:, :4].any()  # left of the second mosaic
    assert held[:, 6:].all()
    assert not none.any()
    assert not outside.any()


def test_a_window_in_color_is_the_gray_one_in_gray(same_ground: SameGround) -> None:
    image = same_ground.second.corpus.images[0]
    link, window = link_of(same_ground).shifted(*SHIFT), Box(20, 20, 60, 70)
    with open_original(same_ground.second.corpus, image) as read:
        colors, there = warped_colors(read, window, link, image.size)
        gray, held = warped(read, window, link, image.size, "linear")
        outside, none = warped_colors(read, Box(0, 0, 8, 8), link.shifted(-500, 0), image.size)
    assert (colors.shape, colors.dtype) == ((60, 70, 3), np.uint8)
    np.testing.assert_array_equal(there, held)
    seen = colors @ np.array([0.299, 0.587, 0.114])
    assert np.abs(seen - gray).mean() < 3  # cubic instead of linear
    assert outside.shape == (8, 8, 3)
    assert not outside.any()
    assert not none.any()


def test_how_large_ground_was_seen() -> None:
    first = named_survey({"a": [1]}, side=100, geo={"a": Geo("", (2, 0, 0, 0, -2, 200))})
    second = named_survey({"b": [1]}, side=50, geo={"b": Geo("", (1, 0, 50, 0, -1, 150))})
    link, box = GroundLink(*(side.corpus.images[0].geo for side in (first, second))), Box(25, 25, 25, 25)
    assert abs(seen_larger(first, second, (0, 0), link, box) - 4) < 1e-9  # 50 m at the second date, 200 m at the first
    assert seen_larger(first, first, (0, 0), GroundLink(None, None), box) == 1


def test_boxes_of_places() -> None:
    rows, cols = np.meshgrid(np.array([-5.0, 3.2, 7.9]), np.array([4.0, 9.5, np.inf]), indexing="ij")
    assert box_of(rows, cols, Size(20, 10)) == Box(1, 2, 9, 8)
    assert box_of(rows - 100, cols, Size(20, 10)) is None

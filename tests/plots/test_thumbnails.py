"""Small pictures: what they show stands where it should."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.base.geometry import Box, Size
from segpipe.plots import thumbnails as panels


def decode(picture: panels.Picture) -> np.ndarray:
    content = base64.b64decode(picture.uri.split(",", 1)[1])
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


@pytest.mark.parametrize("shape", [(1, 1), (10, 4000), (4000, 10), (333, 500)])
def test_shrink_keeps_the_shape_and_never_enlarges(shape: tuple[int, int]) -> None:
    rgb = np.zeros((*shape, 3), np.uint8)
    assert panels.shrink(rgb, 200).shape[:2] == panels.shrink_mask(rgb[..., 0], 200).shape
    size = Size(*shape).fit(200)
    assert panels.shrink(rgb, 200).shape == (size.height, size.width, 3)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_shrink_mask_invents_no_class(kind: type) -> None:
    mask = np.random.default_rng(0).choice([0, 7, 250], (123, 457)).astype(kind)
    small = panels.shrink_mask(mask, 50)
    assert small.dtype == kind
    assert set(np.unique(small)) <= {0, 7, 250}


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    edge=st.integers(1, 40),
)
def test_around_is_a_square_that_holds_the_box(height: int, width: int, place: tuple[float, float], edge: int) -> None:
    top, left = int(place[0] * (height - 1)), int(place[1] * (width - 1))
    box = Box(top, left, min(edge, height - top), min(edge, width - left))
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[box.slices] = (255, 0, 0)
    picture = panels.around(rgb, box, side=64)
    assert picture.shape == (64, 64, 3)
    # red fills the inside of the outline, so it can be missing only where the box is a few pixels of the picture
    reach = min(max(round(5 * max(box.height, box.width)), 2), max(height, width))
    if min(box.height, box.width) / reach * 64 > 6:
        assert ((picture[..., 0] > 150) & (picture[..., 1] < 100)).any()


def test_around_shows_the_surroundings_at_scale() -> None:
    rgb = np.zeros((100, 100, 3), np.uint8)
    rgb[40:60, 40:60] = (255, 0, 0)
    picture = panels.around(rgb, Box(40, 40, 20, 20), side=100)
    np.testing.assert_array_equal(picture[45, 45], (255, 0, 0))
    np.testing.assert_array_equal(picture[10, 10], (0, 0, 0))


def test_highlight_keeps_the_class_and_fades_the_rest() -> None:
    rgb = np.full((20, 20, 3), (200, 30, 30), np.uint8)
    inside = np.zeros((20, 20), bool)
    inside[5:15, 5:15] = True
    picture = panels.highlight(rgb, inside, np.array((0, 255, 0), np.uint8))
    np.testing.assert_array_equal(picture[6:14, 6:14], rgb[6:14, 6:14])
    np.testing.assert_array_equal(picture[4, 5:15], np.tile((0, 255, 0), (10, 1)))
    assert np.ptp(picture[0, 0]) == 0
    assert picture[0, 0, 0] > 150


def test_blocks_cut_the_padding_off() -> None:
    colors = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = panels.blocks(colors, patch=4, content=Size(8, 6))
    assert large.shape == (8, 6, 3)
    np.testing.assert_array_equal(large[::4, ::4], colors)


def test_pictures_decode_to_what_was_drawn() -> None:
    rgb = np.zeros((30, 40, 3), np.uint8)
    rgb[:, 20:] = (10, 200, 90)
    drawn, photo = panels.drawing(rgb), panels.photo(rgb)
    np.testing.assert_array_equal(decode(drawn), rgb)
    assert (drawn.width, drawn.height) == (photo.width, photo.height) == (40, 30)
    assert drawn.uri.startswith("data:image/png;base64,")
    assert photo.uri.startswith("data:image/webp;base64,")
    assert np.abs(decode(photo)[5:25, 25:35].astype(int) - (10, 200, 90)).max() < 12


def test_a_box_in_the_middle_of_two_pixels_is_drawn_alike_wherever_it_is_counted_from():
    rgb = np.random.default_rng(0).integers(0, 256, (18, 2, 3), dtype=np.uint8)
    box = Box(12, 0, 1, 2)
    part = panels.surroundings(box, Size(18, 2))
    assert part.top == 1
    np.testing.assert_array_equal(
        panels.around(rgb[part.slices], box.within(part), side=24), panels.around(rgb, box, side=24)
    )


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_surroundings_alone_give_the_same_picture(data):
    height, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = Box(top, left, data.draw(st.integers(1, height - top)), data.draw(st.integers(1, width - left)))
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    part = panels.surroundings(box, Size(height, width))
    np.testing.assert_array_equal(
        panels.around(rgb[part.slices], box.within(part), side=24), panels.around(rgb, box, side=24)
    )

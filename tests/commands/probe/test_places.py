"""Rolls and the places that two pictures share, against exact answers and other libraries."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from segpipe.commands.probe import places
from segpipe.ops.corruptions.registry import CORRUPTIONS

sides = st.sampled_from([4, 8, 12])


@settings(max_examples=25)
@given(sides, st.integers(0, 2**32 - 1), st.booleans())
def test_content_alone_gives_no_lean_whatever_it_is(side, seed, sparse):
    rng = np.random.default_rng(seed)
    content = rng.exponential(size=(side, side)) ** 3
    if sparse:
        content = content * (rng.uniform(size=content.shape) < 0.1) + 1e-9
    moved = places.rolls(side)
    maps = [np.roll(content, roll, axis=(0, 1)) for roll in moved]
    part, whole = places.region_share(maps, moved, places.central(side))
    assert (part / whole, whole) == (pytest.approx(0.25), pytest.approx(16))
    assert np.divide(*places.region_share(maps, moved, places.central(side), places.inner(side))) == pytest.approx(0.25)
    assert np.divide(*places.region_share(maps, moved, places.corners(side))) == pytest.approx(0.25)
    assert places.mean_distance(maps) == pytest.approx(1)
    assert places.by_place(maps).mean() == pytest.approx(1)


def test_a_planted_lean_is_measured_as_planted():
    side, moved = 8, places.rolls(8)
    rows, cols = np.mgrid[:side, :side]
    weight = np.where((rows >= 2) & (rows < 6) & (cols >= 2) & (cols < 6), 3.0, 1.0)
    maps = [weight] * len(moved)  # even content, seen three times as much in the middle
    assert np.divide(*places.region_share(maps, moved, places.central(side))) == pytest.approx(3 / 6)
    assert np.divide(*places.region_share([1 / weight] * 16, moved, places.central(side))) == pytest.approx(1 / 10)
    assert places.mean_distance(maps) < 0.85
    np.testing.assert_allclose(places.by_place(maps), weight / 1.5)


@pytest.mark.parametrize("side", [4, 6, 8, 10])
def test_the_central_quarter_is_a_quarter(side):
    area = places.central(side)
    assert area.sum() == pytest.approx(side * side / 4)
    fine = np.zeros((4 * side, 4 * side))  # pixel by pixel
    fine[side : 3 * side, side : 3 * side] = 1
    np.testing.assert_allclose(area, fine.reshape(side, 4, side, 4).mean(axis=(1, 3)))


def test_every_content_comes_to_the_center_four_times():
    for side in (4, 12):
        visits = sum(np.roll(places.central(side), (-down, -right), axis=(0, 1)) for down, right in places.rolls(side))
        np.testing.assert_allclose(visits, 4)


def test_a_roll_and_its_way_back():
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for roll in places.rolls(8):
        moved = places.roll_frame(rgb, roll, 8)
        cells = moved.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3)).astype(np.float32)
        expected = rgb.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(places.roll_back(cells, roll), expected, atol=1e-4)
    with pytest.raises(ValueError, match="multiple of 4"):
        places.rolls(7)


def test_content_away_from_the_seam():
    kept = places.inner(16)
    assert kept.sum() == 144
    assert not kept[1].any()
    assert places.inner(4).sum() == 4


@settings(max_examples=40)
@given(st.floats(-180, 180), st.floats(0.4, 2.5), st.floats(-9, 9), st.floats(-0.003, 0.003))
def test_places_are_where_opencv_says(degrees, scale, shift, bend):
    turn = np.vstack([cv2.getRotationMatrix2D((15.5, 15.5), degrees, scale), [0, 0, 1]])
    back = np.array([[1, 0, shift], [0, 1, -shift], [bend, 0, 1]]) @ turn
    at, shown = places.locate(back, 4, 8)
    for row in range(4):
        for col in range(4):
            corners = [[8 * col + i - 0.5, 8 * row + j - 0.5] for i in (0, 8) for j in (0, 8)]
            points = np.array([[8 * col + 3.5, 8 * row + 3.5], *corners])
            moved = cv2.perspectiveTransform(points[:, None], back)[:, 0]
            np.testing.assert_allclose(at[row, col], moved[0, ::-1] / 8 + 0.5 / 8 - 0.5, atol=1e-6)
            if shown[row, col]:
                assert ((moved[1:] > -0.52) & (moved[1:] < 31.52)).all()


def test_without_a_way_back_everything_stays():
    at, shown = places.locate(None, 3, 8)
    assert shown.all()
    np.testing.assert_array_equal(at[2, 1], [2, 1])


def test_patches_are_compared_where_both_pictures_show_them_whole():
    smaller = np.array([[0.5, 0, 7.75], [0, 0.5, 7.75], [0, 0, 1]])  # half as large, about the middle of 32 pixels
    at, shown = places.locate(smaller, 4, 8)
    np.testing.assert_allclose(at[0, 0], [0.75, 0.75])  # between a black patch and the first of the picture
    assert shown.tolist() == [[False] * 4, [False, True, True, False], [False, True, True, False], [False] * 4]
    larger = np.linalg.inv(smaller)
    assert places.locate(larger, 4, 8)[1].tolist() == shown.tolist()  # the outer ones have left the picture
    turned = np.array([[0.0, -1, 31], [1, 0, 0], [0, 0, 1]])
    assert places.locate(turned, 4, 8)[1].all()


def test_what_lies_behind_the_viewer_is_not_shown():
    back = np.array([[1.0, 0, 0], [0, 1, 0], [-0.05, 0, 1]])  # beyond x = 20 space is turned inside out
    _, shown = places.locate(back, 4, 8)
    assert not shown[:, 3].any()


@given(st.integers(0, 2**32 - 1))
def test_taking_is_bilinear(seed):
    rng = np.random.default_rng(seed)
    field = rng.standard_normal((4, 5, 2)).astype(np.float32)
    at = rng.uniform(-2, 6, (3, 3, 2))
    expected = [map_coordinates(field[..., i], np.moveaxis(at, -1, 0), order=1, mode="nearest") for i in (0, 1)]
    np.testing.assert_allclose(places.take(field, at), np.stack(expected, axis=-1), atol=1e-5)
    np.testing.assert_allclose(places.take(field[..., 0], at), expected[0], atol=1e-5)


@pytest.mark.parametrize("name", ["rotation", "zoom-in", "zoom-out", "viewpoint"])
def test_a_smooth_picture_disturbed_and_brought_back_is_itself(name):
    """A map that is the brightness of each patch, so that the answer is known wherever both pictures show something."""
    x, y = np.meshgrid(np.linspace(0, 1, 128), np.linspace(0, 1, 128))
    smooth = (60 + 120 * x + 60 * y).astype(np.uint8)
    rgb = np.repeat(smooth[..., None], 3, axis=2)
    before = smooth.reshape(16, 8, 16, 8).mean(axis=(1, 3)).astype(np.float32)
    for level in CORRUPTIONS[name].levels:
        made = CORRUPTIONS[name].apply(rgb, level, np.random.default_rng(0))
        after = made.rgb[..., 0].reshape(16, 8, 16, 8).mean(axis=(1, 3)).astype(np.float32)
        at, shown = places.locate(made.back, 16, 8)
        assert shown.sum() >= 16
        np.testing.assert_allclose(places.take(after, at)[shown], before[shown], atol=3)

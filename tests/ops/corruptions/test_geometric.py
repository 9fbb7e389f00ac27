"""Geometry against exact turns, perspective by hand, and the way back."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segpipe.ops.corruptions.geometric import inside, inverse, positions, rotate, tilt, warp, zoom_in, zoom_out
from segpipe.ops.corruptions.registry import (
    CORRUPTIONS,
    corrupt,
    shows_image,
    visible_in_both,
    warp_back,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")

GEOMETRY = [each.name for each in CORRUPTIONS.values() if each.family == "geometry"]


@given(
    name=st.sampled_from(GEOMETRY),
    share=st.floats(0.05, 1),
    image=st.integers(0, 100),
    height=st.integers(20, 90),
    width=st.integers(20, 90),
)
@settings(max_examples=60)
def test_what_is_moved_is_found_again_where_back_says(
    name: str, share: float, image: int, height: int, width: int
) -> None:
    """A picture that says where its pixels are: brought back, every pixel says its own place to within a pixel."""
    each = CORRUPTIONS[name]
    level = share * each.levels[-1] if each.unit.startswith("deg") else 1 + share
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    rgb = np.stack([x, y, np.full_like(x, 200)], axis=-1).astype(np.uint8)
    found = corrupt(each, rgb, level, seed=0, image=image)
    assert found.back is not None
    seen = visible_in_both(found.back, height, width)
    shown = shows_image(found.back, height, width)
    assert (found.rgb[~shown] == 0).all()
    assert (found.rgb[shown][:, 2] == 200).all()
    there = warp_back(shown, found.back, nearest=True)
    inner = seen & there
    inner[[0, -1]] = inner[:, [0, -1]] = False
    assert inner.any()
    same = warp_back(found.rgb, found.back, nearest=True).astype(int)
    # the nearest pixel is half a pixel of the disturbed picture away: so many of the picture as it was
    step = 1.2 / min(1.0, float(np.sqrt(abs(np.linalg.det(found.back[:2, :2])))) * (0.45 if name == "viewpoint" else 1))
    assert np.abs(same[..., 0] - x)[inner].max() <= step + 1
    assert np.abs(same[..., 1] - y)[inner].max() <= step + 1
    smooth = warp_back(found.rgb, found.back)
    deep = ndimage.binary_erosion(inner, iterations=4)
    if name != "zoom-out":  # which blurs where the picture ends
        assert np.abs(smooth[..., 0] - x)[deep].max(initial=0) <= 1
        assert np.abs(smooth[..., 1] - y)[deep].max(initial=0) <= 1


def test_a_quarter_turn_and_a_half_turn_are_exact() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (31, 31, 3), np.uint8)
    half = rotate(rgb, 180, np.random.default_rng(0)).rgb
    assert (half == rgb[::-1, ::-1]).all()
    sides = [np.rot90(rgb), np.rot90(rgb, -1)]
    found = [rotate(rgb, 90, np.random.default_rng(seed)).rgb for seed in range(8)]
    seen = [[np.array_equal(quarter, side) for side in sides] for quarter in found]
    assert all(map(any, seen))
    assert all(map(any, zip(*seen, strict=True)))  # to either side


def test_nothing_moved_is_brought_back_as_it_is() -> None:
    values = np.random.default_rng(0).random((5, 7))
    assert warp_back(values, None) is values
    assert visible_in_both(None, 5, 7).all()
    np.testing.assert_allclose(warp_back(values, np.eye(3)), values, atol=1e-6)
    assert (warp_back(values, np.eye(3), nearest=True) == values).all()


def test_a_board_tilted_away_is_seen_by_the_rules_of_perspective() -> None:
    """Corners of the board in space, turned about an axis and projected by hand."""
    rgb = np.zeros((41, 61, 3), np.uint8)
    for seed in range(5):
        back = tilt(rgb, 30, np.random.default_rng(seed)).back
        towards = np.random.default_rng(seed).uniform(0, 2 * math.pi)
        axis = np.array([math.cos(towards), math.sin(towards), 0])
        for x, y in ((0, 0), (60, 0), (60, 40), (17, 9)):
            point = np.array([x - 30, y - 20, 0.0])
            along = axis * (axis @ point)
            turned = (
                along + math.cos(math.pi / 6) * (point - along) + math.sin(math.pi / 6) * np.cross(axis, point - along)
            )
            expected = 61 * turned[:2] / (61 + turned[2]) + (30, 20)
            mapped = back @ (x, y, 1)
            np.testing.assert_allclose(mapped[:2] / mapped[2], expected, atol=1e-9)


def test_zooming_in_shows_the_middle_and_zooming_out_lies_within_it() -> None:
    large = np.random.default_rng(0).integers(0, 256, (48, 72, 3), np.uint8)
    near = zoom_in(large, 3, np.random.default_rng(0)).rgb
    np.testing.assert_array_equal(near[1::3, 1::3], large[16:32, 24:48])  # where its pixels lie on pixels
    far = zoom_out(np.full((30, 40, 3), 90, np.uint8), 2, np.random.default_rng(0))
    shown = (far.rgb == 90).all(-1)
    assert shown.sum() == 15 * 20
    assert shown[8:22, 10:30].all()
    assert not far.rgb[~shown].any()


def test_a_shift_by_whole_pixels_is_a_copy_and_the_rest_is_black() -> None:
    rgb = np.random.default_rng(0).integers(1, 256, (6, 9, 3), np.uint8)
    shift = np.array([[1.0, 0, 4], [0, 1, -2], [0, 0, 1]])
    found = warp(rgb, shift)
    np.testing.assert_array_equal(found.rgb[:4, 4:], rgb[2:, :5])
    assert not found.rgb[4:].any()
    assert not found.rgb[:, :4].any()
    assert found.back is shift
    x, y = positions(shift, 6, 9)
    assert (x[0].tolist(), y[:, 0].tolist()) == ([*range(4, 13)], [*range(-2, 4)])
    assert inside(x, y, 6, 9).sum() == 4 * 5
    np.testing.assert_allclose(inverse(shift) @ shift, np.eye(3))


def test_what_lies_behind_the_viewer_is_nowhere() -> None:
    """Depth falls by 1 a column: the third is at the viewer, those after it behind."""
    x, y = positions(np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 2]]), 2, 5)
    assert np.isnan(x[:, 2:]).all()
    assert np.isnan(y[:, 2:]).all()
    assert x[:, :2].tolist() == [[0, 1], [0, 1]]
    assert y[:, :2].tolist() == [[0, 0], [0.5, 1]]
    assert inside(x, y, 2, 5).tolist() == [[True, True, False, False, False]] * 2

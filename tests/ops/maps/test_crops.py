import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.base.geometry import Box, Size, plan_grid
from segpipe.ops.maps.crops import Cut, batches, cut


def picture(height, width):
    y, x = np.mgrid[:height, :width]
    return np.dstack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), np.full_like(x, 77)]).astype(
        np.uint8
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 90), st.integers(3, 90), st.sampled_from([8, 14, 16]), st.booleans(), st.booleans())
def test_every_shape_fills_its_grid(height, width, patch, masked, flip):
    rgb = picture(height, width)
    valid = None
    if masked:
        valid = np.ones((height, width), bool)
        valid[: height // 2] = False
    grid = plan_grid(Size(height, width), side=64, patch=patch)
    item = cut(rgb, valid, Box(0, 0, height, width), grid, row=5, flip=flip)
    assert item.rgb.shape == (grid.input.height, grid.input.width, 3)
    assert item.valid.shape == (grid.rows, grid.cols)
    assert item.row == 5
    assert (item.mirrored is not None) == flip
    content = item.rgb[: grid.content.height, : grid.content.width]
    # padding repeats the border
    assert (item.rgb[grid.content.height :, :, 2] == 77).all()
    np.testing.assert_array_equal(item.rgb[: grid.content.height, -1], content[:, -1])
    if flip:
        np.testing.assert_array_equal(item.mirrored[: grid.content.height, : grid.content.width], content[:, ::-1])
    assert item.valid[-1].any() or grid.rows * patch - grid.content.height > patch // 2


def test_a_box_is_cut_where_it_lies():
    rgb = picture(100, 200)
    box = Box(10, 50, 64, 64)
    item = cut(rgb, None, box, plan_grid(box.size, side=64, patch=16), row=0, flip=False)
    np.testing.assert_array_equal(item.rgb, rgb[10:74, 50:114])
    assert item.valid.all()


def test_shrinking_is_a_mean_over_areas():
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    item = cut(rgb, None, Box(0, 0, 64, 64), plan_grid(Size(64, 64), side=32, patch=16), row=0, flip=False)
    expected = rgb.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(item.rgb, expected, atol=0.51)


def test_half_of_a_patch_makes_it_count():
    valid = np.zeros((32, 64), bool)
    valid[:16, :16] = True  # all of patch (0, 0)
    valid[:16, 16:24] = True  # half of (0, 1)
    valid[:16, 32:39] = True  # less than half of (0, 2)
    box = Box(0, 0, 32, 64)
    grid = plan_grid(box.size, side=round((32 * 64) ** 0.5), patch=16)
    assert (grid.content.height, grid.content.width) == (32, 64)
    item = cut(picture(32, 64), valid, box, grid, row=0, flip=False)
    np.testing.assert_array_equal(item.valid, [[True, True, False, False], [False] * 4])


@pytest.mark.parametrize("size", [1, 2, 3])
def test_batches_hold_one_size_in_order_and_lose_nothing(size):
    shapes = "aabbabcaab"
    side = {"a": 16, "b": 32, "c": 48}
    cuts = [Cut(i, np.zeros((side[s], 16, 3), np.uint8), None, np.ones((1, 1), bool)) for i, s in enumerate(shapes)]
    groups = [[item.row for item in group] for group in batches(cuts, size)]
    assert sorted(row for group in groups for row in group) == list(range(10))
    for group in groups:
        assert len({shapes[row] for row in group}) == 1
        assert group == sorted(group)
        assert len(group) <= size

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segpipe.base.geometry import Size, plan_grid
from segpipe.ops.maps.upsample_maps import keep_mass, mass_threshold, mix_heads, rescale, to_pixels

MAPS = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 9))


def greedy(values, share, valid):
    """Take pixels one by one, the strongest first, until they hold the share; then all that are as strong."""
    left = sorted(((float(v), at) for at, v in np.ndenumerate(values) if v > 0 and valid[at]), reverse=True)
    wanted, held, last = share * sum(v for v, _ in left), 0.0, None
    kept = np.zeros(values.shape, bool)
    for value, at in left:
        if held >= wanted - 1e-9 and value != last:
            break
        kept[at] = True
        held, last = held + value, value
    return kept


@given(MAPS, st.sampled_from([0.01, 0.25, 0.5, 0.6, 0.75, 1.0]), st.randoms(use_true_random=False))
@example(np.zeros((2, 2), np.float32), 0.5, None)
def test_the_mass_kept_agrees_with_taking_pixels_one_by_one(values, share, random):
    valid = np.ones(values.shape, bool)
    if random is not None:
        valid = np.array([random.random() < 0.8 for _ in range(values.size)]).reshape(values.shape)
    kept = keep_mass(values, share, valid)
    np.testing.assert_array_equal(kept, greedy(values, share, valid))
    inside = np.where(valid, values, 0)
    assert inside[kept].sum() >= share * inside.sum() - 1e-6
    assert not kept[~valid].any()


def test_all_of_the_mass_leaves_nothing_out():
    values = np.random.default_rng(0).random((300, 400), dtype=np.float32) + 1e-4
    assert keep_mass(values, 1.0).all()
    assert mass_threshold(values, 1e-9) == values.max()


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5))
def test_pixels_agree_with_torch_where_there_is_no_padding(rows, cols, down, across):
    source = Size(16 * rows, 16 * cols)
    grid = plan_grid(source, side=16 * round((rows * cols) ** 0.5), patch=16)
    if (grid.content.height, grid.content.width) != (grid.input.height, grid.input.width):
        return
    patches = np.random.default_rng(rows * 7 + cols).random((grid.rows, grid.cols), dtype=np.float32)
    out = Size(rows * down, cols * across)
    found = to_pixels(patches, grid, out, nearest=False)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(patches)[None, None], size=(out.height, out.width), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(found, expected[0, 0], atol=1e-5)


@given(st.integers(20, 200), st.integers(20, 200), st.sampled_from([8, 14, 16]))
def test_padding_is_left_out_and_patches_lie_where_they_were_seen(height, width, patch):
    """A map that is the patch's own place, drawn as squares, must count up along the image."""
    grid = plan_grid(Size(height, width), side=96, patch=patch)
    rows = np.repeat(np.arange(grid.rows, dtype=np.float32)[:, None], grid.cols, axis=1)
    found = to_pixels(rows, grid, Size(height, width), nearest=True)
    expected = ((np.arange(height) + 0.5) * grid.content.height / height // patch).clip(0, grid.rows - 1)
    away = np.abs((np.arange(height) + 0.5) * grid.content.height / height / patch % 1) > 1e-9  # not on an edge
    np.testing.assert_array_equal(found[away, 0], expected[away])
    np.testing.assert_array_equal(found, np.repeat(found[:, :1], width, axis=1))


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(0, 100, width=32)), st.floats(0, 10), st.floats(0, 10))
@example(np.zeros((3, 4), np.float32), 0.0, 4e-49)
@example(np.full((3, 4), 8, np.float32), 7.314328453370992, 7.5)
def test_strength_rises_with_the_value_from_0_to_1(values, low, top):
    strength = rescale(values, low, top)
    assert strength.dtype == np.float32
    assert ((strength >= 0) & (strength <= 1)).all()
    if np.float32(top) - np.float32(low) > 1e-6:
        assert (strength[values >= np.float32(top)] == 1).all()
        assert (strength[values <= np.float32(low)] == 0).all()
    elif top <= low:
        assert not strength.any()


def test_a_head_alone_shows_in_its_color_and_none_in_black():
    colors = np.array([[255, 0, 0], [0, 200, 0]], np.uint8)
    one = np.array([[1.0, 0.5, 0.0]], np.float32)
    two = np.array([[0.0, 0.0, 0.0]], np.float32)
    np.testing.assert_array_equal(mix_heads([one, two], colors)[0], [[255, 0, 0], [180, 0, 0], [0, 0, 0]])
    both = mix_heads([np.float32([[1.0]]), np.float32([[1.0]])], colors)
    np.testing.assert_array_equal(both[0, 0], [128, 100, 0])


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_squares_are_kept_whole(share):
    grid = plan_grid(Size(64, 64), side=64, patch=16)
    patches = np.random.default_rng(3).random((4, 4), dtype=np.float32)
    kept = keep_mass(to_pixels(patches, grid, Size(64, 64), nearest=True), share)
    squares = kept.reshape(4, 16, 4, 16).transpose(0, 2, 1, 3).reshape(16, -1)
    assert (squares.all(axis=1) | ~squares.any(axis=1)).all()
    np.testing.assert_array_equal(squares.any(axis=1).reshape(4, 4), keep_mass(patches, share))

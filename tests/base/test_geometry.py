import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.geometry import Size, five_crops, plan_grid, windows

sides = st.integers(1, 5000)
sizes = st.builds(Size, sides, sides)


@given(sizes, st.integers(8, 640), st.sampled_from([8, 14, 16, 32]))
def test_a_grid_keeps_the_aspect_and_pads_less_than_one_patch(source: Size, side: int, patch: int) -> None:
    grid = plan_grid(source, side=side, patch=patch)
    assert 0 <= grid.input.height - grid.content.height < patch
    assert 0 <= grid.input.width - grid.content.width < patch
    # undistorted: both sides are scaled alike, up to rounding to whole pixels
    scale_y, scale_x = grid.content.height / source.height, grid.content.width / source.width
    assert abs(scale_y - scale_x) <= 0.5 / source.height + 0.5 / source.width + 1e-9 or 1 in (
        grid.content.height,
        grid.content.width,
    )


@given(st.integers(1, 40), st.sampled_from([8, 14, 16]))
def test_a_square_of_whole_patches_has_no_padding(patches: int, patch: int) -> None:
    grid = plan_grid(Size(300, 300), side=patches * patch, patch=patch)
    assert (grid.rows, grid.cols) == (patches, patches)
    assert grid.content == grid.input


def test_patch_positions_put_patch_centers_on_their_patches() -> None:
    grid = plan_grid(Size(64, 96), side=round((64 * 96) ** 0.5), patch=16)
    assert (grid.rows, grid.cols) == (4, 6)
    y, x = grid.patch_positions(Size(64, 96))
    np.testing.assert_allclose((y[7] + y[8]) / 2, 0)  # pixels 7 and 8 lie around the first patch's center
    np.testing.assert_allclose((x[87] + x[88]) / 2, 5)


@given(sizes, st.integers(1, 2000), st.floats(0, 0.9))
def test_windows_cover_every_pixel_and_overlap(size: Size, side: int, overlap: float) -> None:
    if max(size.height, size.width) > 60 * side * (1 - overlap):
        return  # thousands of windows: nothing new
    boxes = windows(size, side=side, overlap=overlap)
    for starts, length in (({b.top for b in boxes}, size.height), ({b.left for b in boxes}, size.width)):
        ordered, extent = sorted(starts), min(side, length)
        assert ordered[0] == 0
        assert ordered[-1] + extent == length
        assert all(b - a <= max(1, extent * (1 - overlap) + 1) for a, b in itertools.pairwise(ordered))


@given(sizes)
def test_five_crops_cover_every_pixel(size: Size) -> None:
    boxes = five_crops(size)
    assert len(boxes) == 5
    assert boxes[0].height * 2 >= size.height
    assert boxes[3].top + boxes[3].height == size.height
    assert boxes[3].left + boxes[3].width == size.width


@pytest.mark.parametrize("bad", [(0, 5), (5, 0), (-1, 5)])
def test_a_size_must_be_positive(bad: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 x 1"):
        Size(*bad)

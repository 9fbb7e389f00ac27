import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from segpipe.base.geometry import Box, Size, five_crops, plan_grid, windows
from segpipe.ops.maps import blend


def test_upsample_agrees_with_scipy_and_clamps_at_the_border() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((5, 7, 3))
    ys, xs = rng.uniform(-0.5, 4.5, 11), rng.uniform(-0.5, 6.5, 13)
    read = RegularGridInterpolator((np.arange(5), np.arange(7)), values)
    where = np.stack(np.meshgrid(ys.clip(0, 4), xs.clip(0, 6), indexing="ij"), -1)
    np.testing.assert_allclose(blend.upsample(values, ys, xs), read(where), atol=1e-5)


def test_upsample_in_strips_is_bit_for_bit_the_whole() -> None:
    rng = np.random.default_rng(1)
    values, ys, xs = rng.standard_normal((6, 4, 5)), np.linspace(-1, 6, 50), np.linspace(-1, 5, 33)
    whole = blend.upsample(values, ys, xs)
    strips = [blend.upsample(values, part, xs) for part in np.array_split(ys, 7)]
    np.testing.assert_array_equal(np.concatenate(strips), whole)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 1)])
def test_a_grid_of_one_row_or_column_is_constant_along_it(shape: tuple[int, int]) -> None:
    values = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(*shape, 1)
    field = blend.upsample(values, np.linspace(-0.5, shape[0], 9), np.linspace(-0.5, shape[1], 9))
    assert field.min() == 0
    assert field.max() == values.max()
    assert (np.ptp(field, axis=0) == 0).all() or shape[0] > 1
    assert (np.ptp(field, axis=1) == 0).all() or shape[1] > 1


def _ramp_codes(box: Box, *, side: int, patch: int) -> np.ndarray:
    """What a network that outputs image coordinates would give: at each patch center its row and column in pixels."""
    grid = plan_grid(box.size, side=side, patch=patch)
    y = (np.arange(grid.rows) + 0.5) * patch * box.height / grid.content.height + box.top
    x = (np.arange(grid.cols) + 0.5) * patch * box.width / grid.content.width + box.left
    return np.stack(np.broadcast_arrays(y[:, None], x), -1)


@pytest.mark.parametrize("out_side", [10**6, 97])  # the image's own size, and a canvas that divides nothing
@pytest.mark.parametrize("layout", ["whole", "five", "windows"])
def test_a_ramp_stays_the_ramp_whatever_the_crops(layout: str, out_side: int) -> None:
    image = Size(150, 211)
    boxes = {
        "whole": [Box(0, 0, 150, 211)],
        "five": five_crops(image),
        "windows": windows(image, side=64, overlap=0.3),
    }[layout]
    grids = [plan_grid(box.size, side=96, patch=8) for box in boxes]
    codes = [_ramp_codes(box, side=96, patch=8) for box in boxes]
    out = image.fit(out_side)
    field = blend.canvas(codes, grids, boxes, image=image, out=out)
    y = (np.arange(out.height) + 0.5) * image.height / out.height
    x = (np.arange(out.width) + 0.5) * image.width / out.width
    # within half a patch of a crop's border nothing is known beyond the last center: the value stays behind
    half = max(0.5 * 8 * box.height / grid.content.height for box, grid in zip(boxes, grids, strict=True)) + 1e-3
    assert np.abs(field - np.stack(np.broadcast_arrays(y[:, None], x), -1)).max() <= half
    inner_y, inner_x = (y > half) & (y < image.height - half), (x > half) & (x < image.width - half)
    if layout == "whole":
        np.testing.assert_allclose(
            field[inner_y][:, inner_x, 0], np.broadcast_to(y[inner_y, None], (inner_y.sum(), inner_x.sum())), atol=1e-2
        )
        np.testing.assert_allclose(
            field[inner_y][:, inner_x, 1], np.broadcast_to(x[inner_x], (inner_y.sum(), inner_x.sum())), atol=1e-2
        )


def test_no_seam_where_windows_end() -> None:
    """Windows disagree by a constant each; the blended field must have no jump between neighbouring pixels."""
    image = Size(120, 200)
    boxes = windows(image, side=80, overlap=0.4)
    grids = [plan_grid(box.size, side=80, patch=8) for box in boxes]
    codes = [np.full((grid.rows, grid.cols, 1), float(i)) for i, grid in enumerate(grids)]
    field = blend.canvas(codes, grids, boxes, image=image, out=image)[..., 0]
    assert np.ptp(field) > 4
    # the steepest place of a Hann cross-fade over the shortest overlap (40 pixels) between values 4 apart
    assert max(np.abs(np.diff(field, axis=a)).max() for a in (0, 1)) < 0.35


def test_mirrored_codes_of_a_mirrored_ramp_change_nothing() -> None:
    image, box = Size(40, 72), Box(0, 0, 40, 72)
    grid = plan_grid(box.size, side=61, patch=8)  # leaves padding on the right
    assert grid.input.width > grid.content.width
    plain = _ramp_codes(box, side=61, patch=8)
    mirrored = plain.copy()
    mirrored[..., 1] = 72 - plain[..., 1]  # the mirrored crop shows column 72 - x at x
    alone = blend.canvas([plain], [grid], [box], image=image, out=image)
    both = blend.canvas([plain], [grid], [box], image=image, out=image, mirrored=[mirrored])
    np.testing.assert_allclose(both[4:-4, 8:-8], alone[4:-4, 8:-8], atol=1e-3)


def test_strips_of_the_canvas_are_equal_to_the_whole() -> None:
    image = Size(90, 130)
    boxes = windows(image, side=50, overlap=0.25)
    grids = [plan_grid(box.size, side=48, patch=8) for box in boxes]
    rng = np.random.default_rng(2)
    codes = [rng.standard_normal((grid.rows, grid.cols, 4)) for grid in grids]
    out = image.fit(77)
    whole = blend.canvas(codes, grids, boxes, image=image, out=out)
    for start in range(0, out.height, 9):
        rows = range(start, min(start + 9, out.height))
        part = blend.canvas(codes, grids, boxes, image=image, out=out, rows=rows)
        np.testing.assert_array_equal(part, whole[rows.start : rows.stop])


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    side=st.integers(1, 300),
    window=st.integers(1, 200) | st.none(),
)
def test_every_pixel_is_covered_and_a_constant_stays_constant(
    height: int, width: int, side: int, window: int | None
) -> None:
    image = Size(height, width)
    boxes = (
        five_crops(image)
        if window is None
        else windows(image, side=max(window, max(height, width) // 8 + 1), overlap=0.2)
    )
    grids = [plan_grid(box.size, side=32, patch=8) for box in boxes]
    codes = [np.ones((grid.rows, grid.cols, 1)) for grid in grids]
    out = image.fit(side)
    field = blend.canvas(codes, grids, boxes, image=image, out=out)
    assert field.shape == (out.height, out.width, 1)
    np.testing.assert_allclose(field, 1, atol=1e-5)


def test_boxes_that_leave_a_hole_and_codes_of_another_grid_are_refused() -> None:
    image, box = Size(40, 40), Box(0, 0, 40, 20)
    grid = plan_grid(box.size, side=32, patch=8)
    with pytest.raises(ValueError, match="do not cover"):
        blend.canvas([np.ones((grid.rows, grid.cols, 1))], [grid], [box], image=image, out=image)
    with pytest.raises(ValueError, match="do not fit"):
        blend.canvas([np.ones((grid.rows + 1, grid.cols, 1))], [grid], [box], image=image, out=image)

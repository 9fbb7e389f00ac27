from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpipe.base.geometry import Box, Size, plan_grid, tiles, windows
from segpipe.commands.demo.synthetic import reef_scene
from segpipe.ops.crf.dense_crf import Crf
from segpipe.ops.maps.segment import CropCodes, Labels, label_at, segment
from segpipe.ops.maps.segment_config import SegmentConfig
from segpipe.ops.maps.tiling import TileLattice, plan_lattice, tile_probabilities

CENTERS = np.random.default_rng(5).normal(size=(6, 3)).astype(np.float32)
CENTERS /= np.linalg.norm(CENTERS, axis=1, keepdims=True)


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40))
def test_tiles_cover_a_raster_exactly_once(height: int, width: int, side: int) -> None:
    seen = np.zeros((height, width), int)
    for tile in tiles(Size(height, width), side):
        seen[tile.slices] += 1
    assert (seen == 1).all()


@settings(deadline=None)
@given(st.data())
def test_tiles_of_a_box_are_those_that_meet_it(data: st.DataObject) -> None:
    height, width, side = (data.draw(st.integers(1, 60)) for _ in range(3))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = Box(top, left, data.draw(st.integers(1, height - top)), data.draw(st.integers(1, width - left)))
    every = tiles(Size(height, width), side)
    assert tiles(Size(height, width), side, box) == [tile for tile in every if tile.meets(box)]


@settings(deadline=None)
@given(st.integers(16, 5000), st.integers(16, 2000), st.integers(1, 9000), st.integers(1, 9000))
def test_lattices_are_whole_pixels(window: int, side: int, height: int, width: int) -> None:
    planned = plan_lattice([Box(0, 0, window, window)], [], side=side)
    assert window / planned.factor >= side or planned.factor == 1  # never coarser than asked for
    for lattice in (planned, planned.halved()):
        check_pixels(lattice, Size(height, width))
    size = Size(height, width)
    tile = tiles(size, planned.tile)[-1]
    assert planned.halved().tile == planned.tile
    assert planned.halved().around(tile, size) == planned.around(tile, size)


def check_pixels(lattice: TileLattice, size: Size) -> None:
    assert (lattice.tile / lattice.factor).is_integer()
    assert (lattice.margin * lattice.factor).is_integer()
    tile = tiles(size, lattice.tile)[-1]
    around = lattice.around(tile, size)
    assert (around.top / lattice.factor).is_integer()
    assert (around.left / lattice.factor).is_integer()
    out = lattice.canvas(around)
    assert out.height * lattice.factor >= around.height
    assert (out.height * lattice.factor).is_integer()
    assert tile.within(around).top <= lattice.margin * lattice.factor


def segmented(*arguments: Any, **options: Any) -> Labels:
    return label_at(*tile_probabilities(*arguments, **options))


def color_codes(rgb: np.ndarray, box: Box, rows: int, cols: int) -> np.ndarray:
    """Mean colors of the patches of a window, as codes."""
    part = rgb[box.slices].astype(np.float32) / 128 - 1
    height, width = part.shape[0] // rows * rows, part.shape[1] // cols * cols
    return part[:height, :width].reshape(rows, height // rows, cols, width // cols, 3).mean((1, 3))


def refine_in_tiles(rgb: np.ndarray, lattice: TileLattice, crf: Crf | None) -> np.ndarray:
    size = Size(*rgb.shape[:2])
    boxes = windows(size, side=192, overlap=0.25)
    grids = [plan_grid(box.size, side=192, patch=16) for box in boxes]
    codes = [color_codes(rgb, box, grid.rows, grid.cols) for box, grid in zip(boxes, grids, strict=True)]
    found = np.full((size.height, size.width), 99, np.uint8)
    for tile in tiles(size, lattice.tile):
        around = lattice.around(tile, size)
        some = [i for i, box in enumerate(boxes) if box.meets(around)]
        found[tile.slices] = segmented(
            CropCodes([codes[i] for i in some], [grids[i] for i in some], [boxes[i] for i in some]),
            rgb[around.slices],
            SegmentConfig(CENTERS, crf=crf),
            tile=tile,
            around=around,
            lattice=lattice,
        )
    return found


@pytest.fixture(scope="module")
def mosaic() -> np.ndarray:
    rng = np.random.default_rng(3)
    rows = [np.concatenate([reef_scene(rng, Size(256, 256))[0] for _ in range(3)], axis=1) for _ in range(2)]
    return np.concatenate(rows)[:500, :701]


@pytest.mark.parametrize("factor", [1.0, 1.75])
def test_tiles_of_two_lattices_agree(mosaic: np.ndarray, factor: float) -> None:
    crf = Crf(iterations=10)
    first = refine_in_tiles(mosaic, TileLattice(factor, core=160, margin=160), crf)
    second = refine_in_tiles(mosaic, TileLattice(factor, core=224, margin=160), crf)
    assert len(np.unique(first)) > 3
    assert (first == second).mean() >= 0.98


@pytest.mark.parametrize("factor", [1.0, 1.75])
def test_a_lattice_of_half_the_pixels_agrees_with_the_whole(mosaic: np.ndarray, factor: float) -> None:
    crf, lattice = Crf(iterations=10), TileLattice(factor, core=160, margin=160)
    fine, coarse = refine_in_tiles(mosaic, lattice, crf), refine_in_tiles(mosaic, lattice.halved(), crf.halved())
    assert len(np.unique(coarse)) > 3
    assert (fine == coarse).mean() >= 0.95


@pytest.mark.parametrize("factor", [1.0, 1.75])
def test_without_a_crf_tiles_do_not_show_at_all(mosaic: np.ndarray, factor: float) -> None:
    small = refine_in_tiles(mosaic, TileLattice(factor, core=96, margin=8), None)
    large = refine_in_tiles(mosaic, TileLattice(factor, core=1024, margin=8), None)
    assert (small == large).mean() > 0.9999


def test_one_tile_of_full_resolution_is_what_a_photograph_gets(mosaic: np.ndarray) -> None:
    size = Size(*mosaic.shape[:2])
    boxes = windows(size, side=192, overlap=0.25)
    grids = [plan_grid(box.size, side=192, patch=16) for box in boxes]
    codes = [color_codes(mosaic, box, grid.rows, grid.cols) for box, grid in zip(boxes, grids, strict=True)]
    whole = segment(CropCodes(codes, grids, boxes), mosaic, SegmentConfig(CENTERS, side=2000, crf=Crf(iterations=3)))
    np.testing.assert_array_equal(refine_in_tiles(mosaic, TileLattice(1.0, core=1024), Crf(iterations=3)), whole)


def test_a_place_without_windows_may_have_any_class() -> None:
    rgb = np.zeros((64, 64, 3), np.uint8)
    box, grid = Box(0, 0, 64, 32), plan_grid(Size(64, 32), side=32, patch=8)
    codes = np.ones((grid.rows, grid.cols, 3), np.float32)
    whole = Box(0, 0, 64, 64)
    crops = CropCodes([codes], [grid], [box])
    found = segmented(crops, rgb, SegmentConfig(CENTERS), tile=whole, around=whole, lattice=TileLattice(1.0))
    assert found.shape == (64, 64)
    assert len(np.unique(found[:, :32])) == 1


def test_a_lattice_of_broken_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="whole pixels"):
        TileLattice(1.1)

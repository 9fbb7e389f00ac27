import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.geometry import Size
from segpipe.commands.view.pyramid import TILE, all_tiles, level_size, levels, tile_at

sizes = st.builds(Size, st.integers(1, 3000), st.integers(1, 3000))


@given(sizes)
def test_every_level_covers_the_image_once(size: Size) -> None:
    seen = [np.zeros((size.height, size.width), np.uint8) for _ in range(levels(size))]
    for level, col, row in all_tiles(size):
        tile = tile_at(size, level, col, row)
        assert tile is not None
        assert max(tile.size.height, tile.size.width) <= TILE
        seen[level][tile.box.slices] += 1
        rows, cols = tile.picks
        assert (len(rows), len(cols)) == (tile.size.height, tile.size.width)
        assert rows.max() < tile.box.height
        assert cols.max() < tile.box.width
        assert (np.diff(rows) > 0).all()
    assert all((level == 1).all() for level in seen)
    assert level_size(size, levels(size) - 1) == size
    assert max(level_size(size, 0).height, level_size(size, 0).width) <= TILE


@given(sizes, st.integers(-3, 9), st.integers(-3, 40), st.integers(-3, 40))
def test_there_are_no_other_tiles(size: Size, level: int, col: int, row: int) -> None:
    assert (tile_at(size, level, col, row) is not None) == ((level, col, row) in all_tiles(size))

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import SegpipeError
from segpipe.base.geometry import Box
from segpipe.commands.view.index_tiles import IndexTiles, encode_index
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.commands.view.pyramid import all_tiles, levels, tile_at
from segpipe.commands.view.tile_cache import TileCache
from tests.helpers.view_mosaic import SIZE, make_mosaic_run, margin_of


def read(body: bytes) -> tuple[np.ndarray, np.ndarray]:
    rgb = np.asarray(Pillow.open(io.BytesIO(body))).astype(int)
    return rgb[..., 0] * 256 + rgb[..., 1], rgb[..., 2]


def opened(root: Path, folder: Path) -> IndexTiles:
    return IndexTiles(OpenedRun(root), TileCache(folder, memory=1 << 22, disk=1 << 24), memory=1 << 24)


def test_values_and_margins_come_back_whatever_they_are() -> None:
    values = np.array([[0, 255, 256, 65535]], np.uint16)
    margin = np.array([[1, 2, 3, 4]], np.uint8)
    assert [each.tolist() for each in read(encode_index(values, margin))] == [values.tolist(), margin.tolist()]
    assert read(encode_index(values))[1].tolist() == [[255] * 4]


def test_tiles_of_a_mosaic_of_many_classes_are_pixels_of_its_mask(tmp_path: Path) -> None:
    root, _, mask = make_mosaic_run(tmp_path, overviews=False)
    (tmp_path / "cache").mkdir()
    tiles = opened(root, tmp_path / "cache")
    margin = margin_of(Box(0, 0, SIZE.height, SIZE.width))
    wanted = [(level, col, row) for level, col, row in all_tiles(SIZE) if level < 3 or (col + row) % 5 == 0]
    for level, col, row in wanted:
        tile = tile_at(SIZE, level, col, row)
        assert tile is not None
        found, sure = read(tiles.tile(0, level, col, row))
        rows, cols = tile.picks
        place = np.ix_(rows + tile.box.top, cols + tile.box.left)
        if tile.scale < 8:
            assert (found == mask[place]).all()
            assert (sure == margin[place]).all()
        else:  # of a copy, whose pixels lie beside these
            assert (found == mask[place]).mean() > 0.7
            assert np.abs(sure - margin[place].astype(int)).max() <= 2
    assert levels(SIZE) == 6
    assert tiles.at(0, 1000, 2000) == (mask[1000, 2000], margin[0, 2000] / 255)
    assert tiles.at(0, 0, 0) == (None, None)


def test_a_mask_that_is_gone_is_told(reef: Path, tmp_path: Path) -> None:
    tiles = opened(reef, tmp_path)
    image = OpenedRun(reef).corpus.images[0]
    (reef / "masks" / f"{image.id}.png").unlink()
    with pytest.raises(SegpipeError, match="does not exist"):
        tiles.tile(0, 0, 0, 0)
    with pytest.raises(NotHere):
        tiles.tile(0, 7, 0, 0)


def test_a_whole_mask_comes_in_the_largest_scale_that_fits(finished: Path, tmp_path: Path) -> None:
    values, margin, scale = opened(finished, tmp_path).reduced(0, 100)
    size = OpenedRun(finished).corpus.images[0].size
    assert values.shape == (-(-size.height // scale), -(-size.width // scale))
    assert 50 < max(values.shape) <= 100
    assert margin is not None
    assert margin.shape == values.shape

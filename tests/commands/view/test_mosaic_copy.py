import io
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.geometry import Size
from segpipe.commands.view.mosaic_copy import MosaicCopies, copy_scale
from segpipe.commands.view.opened_run import OpenedRun
from segpipe.commands.view.photo_tiles import PhotoTiles
from segpipe.commands.view.pyramid import all_tiles, tile_at
from segpipe.commands.view.tile_cache import TileCache
from tests.helpers.view_mosaic import SIZE, make_mosaic_run


def picture(body: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(body))).astype(int)


@pytest.mark.parametrize("overviews", [False, True])
def test_tiles_of_a_mosaic_show_it_at_every_scale(tmp_path: Path, overviews: bool) -> None:
    root, rgb, _ = make_mosaic_run(tmp_path, overviews=overviews)
    run, copies = OpenedRun(root), MosaicCopies(tmp_path)
    (tmp_path / "tiles").mkdir()
    tiles = PhotoTiles(run, TileCache(tmp_path / "tiles", memory=1 << 22, disk=1 << 24), copies, memory=1 << 22)
    with closing(tiles), closing(copies):
        check(tiles, copies, rgb, overviews=overviews)


def check(tiles: PhotoTiles, copies: MosaicCopies, rgb: np.ndarray, *, overviews: bool) -> None:
    first, final = tiles.tile(0, 0, 0, 0)
    assert picture(first).shape == (94, 138, 3)
    assert final == overviews
    if not overviews:
        assert np.abs(picture(first) - cv2.resize(rgb, (138, 94), interpolation=cv2.INTER_AREA)).mean() < 60
    while copies.drawing is not None:
        assert 0 <= float(str(copies.drawing["share"])) <= 1
        time.sleep(0.02)
    for level, col, row in all_tiles(SIZE):
        if level < 4 or (col + row) % 6 == 0:
            tile = tile_at(SIZE, level, col, row)
            assert tile is not None
            found, final = tiles.tile(0, level, col, row)
            assert final
            wanted = cv2.resize(rgb[tile.box.slices], (tile.size.width, tile.size.height), interpolation=cv2.INTER_AREA)
            assert np.abs(picture(found) - wanted).mean() < 6
    assert picture(tiles.thumb(0)[0]).shape == (109, 160, 3)


def test_a_file_that_is_gone_ends_the_copy_with_a_line(tmp_path: Path) -> None:
    root, _, _ = make_mosaic_run(tmp_path, overviews=False)
    copies, run = MosaicCopies(tmp_path), OpenedRun(root)
    copies.close()
    assert not copies.ready(0, run.corpus.images[0], 8, run)
    assert copies.ready(0, run.corpus.images[0], 4, run)
    assert copy_scale(Size(300, 70_000)) == 16

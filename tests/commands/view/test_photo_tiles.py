import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.errors import CorpusError
from segpipe.base.geometry import Box, Size
from segpipe.commands.view.mosaic_copy import MosaicCopies
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.commands.view.photo_tiles import PhotoTiles, clip_box, scales
from segpipe.commands.view.pyramid import all_tiles, level_size, levels, tile_at
from segpipe.commands.view.tile_cache import TileCache
from segpipe.images.corpus_reader import read_original


def opened(root: Path, folder: Path, memory: int = 1 << 24) -> PhotoTiles:
    folder.mkdir(exist_ok=True)
    cache = TileCache(folder, memory=1 << 20, disk=1 << 24)
    return PhotoTiles(OpenedRun(root), cache, MosaicCopies(folder), memory=memory)


@pytest.fixture
def tiles(finished: Path, tmp_path: Path) -> Iterator[PhotoTiles]:
    found = opened(finished, tmp_path)
    yield found
    found.close()


def picture(body: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(body))).astype(int)


def test_every_tile_is_a_piece_of_the_photograph(tiles: PhotoTiles, finished: Path) -> None:
    corpus = OpenedRun(finished).corpus
    for number, image in enumerate(corpus.images):
        rgb = read_original(corpus, image).rgb
        for level, col, row in all_tiles(image.size):
            tile = tile_at(image.size, level, col, row)
            assert tile is not None
            found, final = tiles.tile(number, level, col, row)
            assert final
            wanted = cv2.resize(rgb[tile.box.slices], (tile.size.width, tile.size.height), interpolation=cv2.INTER_AREA)
            assert picture(found).shape == wanted.shape
            assert np.abs(picture(found) - wanted).mean() < 9


def test_a_photograph_too_large_to_be_held_is_cut_at_once(finished: Path, tmp_path: Path) -> None:
    small, large = opened(finished, tmp_path / "a", memory=1000), opened(finished, tmp_path / "b")
    image = OpenedRun(finished).corpus.images[0]
    last = levels(image.size) - 1
    assert small.tile(0, last, 0, 0)[0] == large.tile(0, last, 0, 0)[0]
    kept = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(kept) == len(all_tiles(image.size))
    small.close()
    large.close()


def test_thumbnails_and_patches_are_small(tiles: PhotoTiles, finished: Path) -> None:
    image = OpenedRun(finished).corpus.images[0]
    assert max(picture(tiles.thumb(0)[0]).shape) == 160
    assert picture(tiles.patch(0, Box(10, 20, 40, 30))[0]).shape == (40, 30, 3)
    assert max(picture(tiles.patch(0, Box(0, 0, 10**9, 10**9))[0]).shape) == 128
    assert picture(tiles.patch(0, Box(10**9, 10**9, 5, 5))[0]).shape == (1, 1, 3)
    assert clip_box(Box(3, 4, 5, 6), image.size) == Box(3, 4, 5, 6)


def test_what_is_not_there_is_told(tiles: PhotoTiles, reef: Path, tmp_path: Path) -> None:
    for asked in ((0, 99, 0, 0), (0, 0, 1, 0), (99, 0, 0, 0)):
        with pytest.raises(NotHere):
            tiles.tile(*asked)
    run = OpenedRun(reef)
    path = run.corpus.path(run.corpus.images[1])
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    try:
        other = opened(reef, tmp_path / "other")
        with pytest.raises(CorpusError, match="has changed since it was indexed"):
            other.tile(1, 0, 0, 0)
        other.close()
    finally:
        path.write_bytes(content)


def test_scales_have_the_sizes_of_the_levels() -> None:
    size = Size(517, 1031)
    found = scales(np.zeros((517, 1031, 3), np.uint8), levels(size))
    assert [Size(*each.shape[:2]) for each in found] == [level_size(size, k) for k in range(levels(size) - 1, -1, -1)]

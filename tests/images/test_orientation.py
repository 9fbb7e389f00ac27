"""Pixels of turned photographs lie where Pillow turns them to, and come back."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from segpipe.base.geometry import Box, Size
from segpipe.images.orientation import displayed, orientation_of, stored
from segpipe.records.corpus import Corpus, Crop, Image

HEIGHT, WIDTH = 6, 10  # stored


@pytest.mark.parametrize("way", range(1, 9))
def test_stored_pixels_lie_in_the_displayed_picture_where_pillow_turns_them(way: int, tmp_path: Path) -> None:
    values = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)
    picture, exif = Pillow.fromarray(values), Pillow.Exif()
    exif[0x0112] = way
    picture.save(tmp_path / "a.png", exif=exif)
    with Pillow.open(tmp_path / "a.png") as opened:
        shown = np.asarray(ImageOps.exif_transpose(opened))
    size = Size(*shown.shape)
    corpus = Corpus(tmp_path, (Image("a", "a.png", size, "uint8", "", 1),), (Crop(0, Box(0, 0, *shown.shape)),))
    assert orientation_of(corpus, corpus.images[0]) == way
    places = np.divmod(np.arange(HEIGHT * WIDTH), WIDTH)
    rows, cols = displayed(*places, size, way)
    assert shown[rows, cols].tolist() == values.ravel().tolist()
    np.testing.assert_array_equal(stored(rows, cols, size, way), places)


def test_a_photograph_that_is_gone_is_not_turned(tmp_path: Path) -> None:
    gone = Image("a", "a.png", Size(3, 4), "uint8", "", 1)
    assert orientation_of(Corpus(tmp_path, (gone,), (Crop(0, Box(0, 0, 3, 4)),)), gone) == 1

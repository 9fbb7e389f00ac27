import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.geometry import Box, Size
from segpipe.base.guarded import Guards
from segpipe.images.corpus_reader import read_original
from segpipe.images.crop_plan import CropPlan, corpus_of_one, pieces
from segpipe.images.validate import Item
from tests.images.test_rasters import write


@pytest.mark.parametrize("crops", ["whole", "five", "windows"])
@pytest.mark.parametrize("size", [Size(1, 1), Size(30, 100), Size(77, 33), Size(16, 16)])
def test_crops_cover_every_pixel(crops, size):
    boxes = CropPlan(crops, 16, 0.25, (), 10**6).photograph(size)
    seen = np.zeros((size.height, size.width), bool)
    for box in boxes:
        seen[box.slices] = True
    assert seen.all()
    if crops == "whole":
        assert boxes == [Box(0, 0, size.height, size.width)]


@given(st.integers(1, 300), st.integers(1, 9000), st.booleans(), st.integers(0, 50))
def test_pieces_cover_a_box_and_are_no_strips(short: int, long: int, tall: bool, top: int) -> None:
    box = Box(top, 3, long, short) if tall else Box(top, 3, short, long)
    found = pieces(box)
    covered = np.zeros((box.height, box.width), int)
    for piece in found:
        covered[piece.within(box).slices] += 1
        if len(found) > 1:
            most = 8 if max(short, long) <= 64 * 8 * min(short, long) else 16  # the longest in fewer, longer pieces
            assert max(piece.height, piece.width) <= most * min(piece.height, piece.width)
    assert covered.min() >= 1
    assert (len(found) > 1) == (max(short, long) > 16 * min(short, long))


def test_a_new_raster_is_read_by_its_names_and_the_scale_of_its_like(tmp_path):
    bands = np.random.default_rng(0).uniform(0, 1, (4, 30, 40)).astype(np.float32)
    write(tmp_path / "a.tif", bands)
    with rasterio.open(tmp_path / "a.tif", "r+") as out:
        for i, name in enumerate(("B01", "B02", "B03", "B04"), 1):
            out.set_band_description(i, name)
    scaling = {"float32": (-900.0, 1140.0), "float32~2": (0.0, 1.0)}
    plan = CropPlan("whole", 448, 0.5, ("B04", "B03", "B02"), 10**6)
    with Guards(1 << 30) as guards:
        corpus = corpus_of_one(plan, scaling, tmp_path, Item("a.tif", "a"), tmp_path, guards)
    (image,) = corpus.images
    assert (corpus.bands, image.view.bands, image.view.scale) == ((), (4, 3, 2), "float32~2")
    expected = np.rint(255 * bands[[3, 2, 1]].transpose(1, 2, 0))
    assert np.abs(read_original(corpus, image).rgb - expected).max() <= 1

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.base.geometry import Box, Size
from segpipe.images.crop_plan import CropPlan, pieces


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
            assert max(piece.height, piece.width) <= 8 * min(piece.height, piece.width)
    assert covered.min() >= 1
    assert (len(found) > 1) == (max(short, long) > 16 * min(short, long))

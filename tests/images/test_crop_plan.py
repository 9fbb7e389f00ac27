import numpy as np
import pytest

from segpipe.base.geometry import Box, Size
from segpipe.images.crop_plan import CropPlan


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

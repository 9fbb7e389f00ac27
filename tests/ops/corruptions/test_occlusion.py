"""Occlusion and clutter cover the share they should, and nothing else."""

import numpy as np
import pytest

from segpipe.ops.corruptions.occlusion import clutter, occlude
from segpipe.ops.corruptions.registry import CORRUPTIONS, corrupt

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("name", ["occlusion", "clutter"])
def test_things_cover_the_share_they_should(name: str) -> None:
    rgb = np.full((240, 320, 3), 128, np.uint8)
    for level in CORRUPTIONS[name].levels:
        touched = corrupt(CORRUPTIONS[name], rgb, level, seed=1, image=2).touched
        assert touched is not None
        assert level <= touched.mean() < level + 0.03


def test_blocks_are_a_twelfth_of_the_long_side_and_of_one_color() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    found = occlude(rgb, 0.4, np.random.default_rng(2))
    assert found.touched is not None
    np.testing.assert_array_equal(found.rgb[~found.touched], rgb[~found.touched])
    # blocks begin at some row and column, each changes at the same places
    rows = np.flatnonzero((found.touched[1:] != found.touched[:-1]).any(1)) + 1
    cols = np.flatnonzero((found.touched[:, 1:] != found.touched[:, :-1]).any(0)) + 1
    assert len({*(rows % 10)}) == len({*(cols % 10)}) == 1
    top, left = int(rows[0]) % 10, int(cols[0]) % 10
    hidden = 0
    for row in range(top, 80, 10):
        for col in range(left, 110, 10):
            if found.touched[row, col]:
                assert len(np.unique(found.rgb[row : row + 10, col : col + 10].reshape(-1, 3), axis=0)) == 1
                hidden += 1
    assert hidden > 20


def test_all_of_the_image_can_be_hidden() -> None:
    rgb = np.full((50, 70, 3), 128, np.uint8)
    for hide in (occlude, clutter):
        touched = hide(rgb, 1.0, np.random.default_rng(0)).touched
        assert touched is not None
        assert touched.mean() > 0.99

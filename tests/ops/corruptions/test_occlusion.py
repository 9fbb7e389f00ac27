"""Occlusion and clutter cover the share they should."""

import numpy as np
import pytest

from segpipe.ops.corruptions.registry import (
    CORRUPTIONS,
    corrupt,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.mark.parametrize("name", ["occlusion", "clutter"])
def test_things_cover_the_share_they_should(name: str) -> None:
    rgb = np.full((240, 320, 3), 128, np.uint8)
    for level in CORRUPTIONS[name].levels:
        touched = corrupt(CORRUPTIONS[name], rgb, level, seed=1, image=2).touched
        assert touched is not None
        assert level <= touched.mean() < level + 0.03

"""What is put onto an image lies where `touched` says."""

from itertools import pairwise

import numpy as np
import pytest

from segpipe.ops.corruptions.registry import (
    CORRUPTIONS,
    corrupt,
)

pytestmark = pytest.mark.usefixtures("one_torch_thread")

PUT_ON = ["scratches", "dust", "text", "lines", "occlusion", "clutter"]


@pytest.mark.parametrize("name", PUT_ON)
def test_what_is_put_on_is_where_touched_says(name: str) -> None:
    """On two grounds of opposite brightness every touched pixel differs on one of them, and no other on any."""
    each = CORRUPTIONS[name]
    for level in each.levels:
        changed = np.zeros((97, 130), bool)
        places = []
        for ground in (0, 128, 255):
            rgb = np.full((97, 130, 3), ground, np.uint8)
            found = corrupt(each, rgb, level, seed=3, image=0)
            assert found.touched is not None
            places.append(found.touched)
            assert not (found.rgb != rgb).any(-1)[~found.touched].any()
            changed |= (found.rgb != rgb).any(-1)
        assert (places[0] == places[1]).all()
        assert (places[0] == places[2]).all()
        assert places[0].any()
        # opacities of a 255th or two do not show on every ground
        assert (changed == places[0]).mean() > 0.99


@pytest.mark.parametrize("name", ["scratches", "dust", "lines", "occlusion", "clutter"])
def test_a_stronger_level_adds_to_a_weaker_one(name: str) -> None:
    rgb = np.full((97, 130, 3), 128, np.uint8)
    each = CORRUPTIONS[name]
    touched = [corrupt(each, rgb, level, seed=3, image=0).touched for level in each.levels]
    for less, more in pairwise(touched):
        assert less is not None
        assert more is not None
        assert (more >= less).mean() > 0.999  # where soft rims overlap the last drawn wins
        assert more.sum() > less.sum()

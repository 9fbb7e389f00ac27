"""What families share: lengths, rounding, light; and what is put onto an image lies where `touched` says."""

from itertools import pairwise

import numpy as np
import pytest

from segpipe.ops.corruptions.common import by_kornia, in_linear_light, paste, pixels_at, to_bytes
from segpipe.ops.corruptions.registry import CORRUPTIONS, corrupt
from tests.helpers.srgb import linear_to_byte, srgb_to_linear

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


EVERY_BYTE = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)


def test_lengths_grow_with_the_longest_side() -> None:
    assert pixels_at(np.zeros((480, 100, 3), np.uint8), 7) == 7
    assert pixels_at(np.zeros((10, 960, 3), np.uint8), 7) == 14
    assert pixels_at(np.zeros((120, 119, 3), np.uint8), 2) == 0.5


def test_values_become_the_nearest_bytes() -> None:
    found = to_bytes(np.array([-1e9, -0.6, 0.4, 0.6, 254.6, 255.4, 300.0, np.inf]))
    assert found.dtype == np.uint8
    assert found.tolist() == [0, 0, 0, 1, 255, 255, 255, 255]


def test_every_byte_survives_the_way_through_kornia_and_through_light() -> None:
    assert (by_kornia(EVERY_BYTE, lambda picture: picture) == EVERY_BYTE).all()
    assert (in_linear_light(EVERY_BYTE, lambda light: light) == EVERY_BYTE).all()
    flipped = by_kornia(EVERY_BYTE[:, :5], lambda picture: picture.flip(-1))
    assert (flipped == EVERY_BYTE[:, 4::-1]).all()


def test_light_is_changed_under_the_curve_of_srgb() -> None:
    found = in_linear_light(EVERY_BYTE, lambda light: 3 * light - 0.1)
    for byte in range(256):
        light = min(max(3 * srgb_to_linear(byte) - 0.1, 0), 1)
        assert found[byte // 16, byte % 16, 0] == pytest.approx(linear_to_byte(light), abs=0.51)


def test_what_is_pasted_is_mixed_by_its_opacity() -> None:
    ground, color = np.full((1, 3, 3), (0, 100, 255), np.uint8), np.full((1, 3, 3), (255, 200, 0), np.uint8)
    found = paste(ground, np.array([[0, 51, 255]], np.uint8), color)
    assert found.rgb.tolist() == [[[0, 100, 255], [51, 120, 204], [255, 200, 0]]]
    assert found.touched is not None
    assert found.touched.tolist() == [[False, True, True]]

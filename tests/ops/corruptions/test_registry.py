"""The table of corruptions: every level of every one of them."""

import math

import numpy as np
import pytest

from segpipe.ops.corruptions.registry import (
    CORRUPTIONS,
    Corruption,
    corrupt,
    generator,
    shows_image,
    visible_in_both,
    warp_back,
)
from segpipe.records.corruption import FAMILIES

pytestmark = pytest.mark.usefixtures("one_torch_thread")

PUT_ON = ["scratches", "dust", "text", "lines", "occlusion", "clutter"]

LEVELS = [
    pytest.param(each, level, id=f"{each.name}-{level:g}") for each in CORRUPTIONS.values() for level in each.levels
]


def test_the_table_is_whole() -> None:
    assert {each.family for each in CORRUPTIONS.values()} == set(FAMILIES)
    assert [each.family for each in CORRUPTIONS.values()] == sorted(
        (each.family for each in CORRUPTIONS.values()), key=FAMILIES.index
    )
    assert all(name == each.name for name, each in CORRUPTIONS.items())


@pytest.mark.parametrize(("corruption", "level"), LEVELS)
def test_each_level_changes_the_picture_the_same_way_every_time(
    photo: np.ndarray, corruption: Corruption, level: float
) -> None:
    before = photo.copy()
    found = corrupt(corruption, photo, level, seed=1, image=4)
    assert (photo == before).all()
    assert found.rgb.shape == photo.shape
    assert found.rgb.dtype == np.uint8
    assert (found.rgb != photo).mean() > 0.0005
    again = corrupt(corruption, photo, level, seed=1, image=4)
    assert (found.rgb == again.rgb).all()
    assert (found.touched is None) == (corruption.name not in PUT_ON)
    assert (found.back is None) == (corruption.family != "geometry")


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in ("jpeg", "text")])
def test_stronger_levels_change_more(photo: np.ndarray, name: str) -> None:
    each = CORRUPTIONS[name]
    changes = []
    for level in each.levels:
        found = corrupt(each, photo, level, seed=0, image=0)
        here = warp_back(found.rgb, found.back, nearest=True).astype(float)
        if each.family == "geometry":  # how much of the picture, at which resolution, is still there
            shown = shows_image(found.back, *photo.shape[:2])
            scale = math.sqrt(abs(np.linalg.det(found.back[:2, :2])))
            changes.append(-min(shown.mean(), visible_in_both(found.back, *photo.shape[:2]).mean(), scale))
        else:
            changes.append(float(np.abs(here - photo).mean()))
    if name not in ("rotation", "viewpoint"):
        assert changes == sorted(changes)


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (2, 2), (33, 17)])
def test_odd_and_tiny_pictures_survive(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for each in CORRUPTIONS.values():
        for level in (each.levels[0], each.levels[-1]):
            found = corrupt(each, rgb, level, seed=0, image=0)
            assert found.rgb.shape == rgb.shape, each.name


def test_generators_differ_by_image_name_and_seed_alone() -> None:
    draws = {
        generator(seed, name, image).integers(1 << 60)
        for seed in (0, 1)
        for name in ("blur", "noise")
        for image in (0, 1, 2)
    }
    assert len(draws) == 12
    assert generator(5, "noise", 7).integers(1 << 60) == generator(5, "noise", 7).integers(1 << 60)

"""Where two pictures of the same ground show other things."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segpipe.ops.change.local_structure import structure_differs
from tests.helpers.drawn_ground import SAND, ground_map, moved, photographed, turned

Rgb = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def ground() -> tuple[Rgb, Rgb, npt.NDArray[np.bool_]]:
    """Two dates, and where they show other classes, well inside of it."""
    rng = np.random.default_rng(0)
    before = ground_map(rng, 300, 340, patch=90)
    after = turned(before, 0.9, rng)
    changed = cv2.erode((before != after).astype(np.uint8), np.ones((9, 9))) > 0
    assert changed.mean() > 0.1
    first, second = (photographed(labels, np.random.default_rng(1)) for labels in (before, after))
    return first, second, changed


@pytest.mark.parametrize(
    "light",
    [
        lambda values: values * 0.4 + 60,
        lambda values: 255 * (values / 255) ** 0.5,
        lambda values: np.minimum(values * 1.4, 255),
    ],
)
def test_light_does_not_matter(ground: tuple[Rgb, Rgb, npt.NDArray[np.bool_]], light) -> None:  # type: ignore[no-untyped-def]
    first, second, changed = ground
    found = structure_differs(first, np.rint(light(second.astype(np.float64))).astype(np.uint8))
    same = cv2.dilate(changed.astype(np.uint8), np.ones((61, 61))) == 0
    assert found[changed].mean() > 0.8
    assert found[same].mean() < 0.01


def test_a_pixel_off_and_noise_are_forgiven(ground: tuple[Rgb, Rgb, npt.NDArray[np.bool_]]) -> None:
    first, _, _ = ground
    noise = np.random.default_rng(2).normal(0, 6, first.shape)
    other = np.clip(np.rint(moved(first, 0.8, -0.6) + noise), 0, 255).astype(np.uint8)
    assert structure_differs(first, other)[30:-30, 30:-30].mean() < 0.03


def test_of_plain_ground_nothing_is_said() -> None:
    plain = np.full((60, 70), SAND, np.uint8)
    pictures = [
        np.clip(photographed(plain, np.random.default_rng(k)) * 0.02 + 100 + 50 * k, 0, 255).astype(np.uint8)
        for k in range(2)
    ]
    assert not structure_differs(pictures[0], pictures[1]).any()

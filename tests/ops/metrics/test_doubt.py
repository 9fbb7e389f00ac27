"""Notes beside intervals."""

import numpy as np

from segpipe.ops.metrics.doubt import doubt, seldom_held

NAMES = ("sand", "coral", "algae", "clam", "urchin")


def amounts(images: int, **holders: int) -> np.ndarray:
    """Pixels of the classes, the first in all images, the others in the first few."""
    found = np.zeros((images, len(NAMES)))
    found[:, 0] = 10
    for name, count in holders.items():
        found[:count, NAMES.index(name)] = 3
    return found


def test_many_images_that_all_hold_a_class_leave_no_doubt() -> None:
    assert doubt(amounts(12, coral=7), "image", NAMES) == ""
    assert not seldom_held(amounts(12, coral=7)).any()


def test_a_class_that_few_of_them_hold_is_named() -> None:
    assert seldom_held(amounts(12, coral=4, clam=1)).tolist() == [False, True, False, True, False]
    assert doubt(amounts(12, coral=4), "scene", NAMES) == "rough where fewer than 5 scenes hold a class: coral"
    said = doubt(amounts(12, coral=4, algae=1, clam=1, urchin=2), "image", NAMES)
    assert said.endswith("hold a class: coral, algae, clam and 1 more")


def test_few_images() -> None:
    assert doubt(amounts(3), "site", NAMES) == "3 sites: rough intervals"
    assert doubt(amounts(6, clam=2), "image", NAMES) == (
        "6 images: rough intervals; rough where fewer than 5 images hold a class: clam"
    )

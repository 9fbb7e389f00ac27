"""A drawn reef: the same for the same seed, and labels that say what was drawn where."""

import numpy as np
import pytest

from segpipe.base.geometry import Size
from segpipe.ops.drawing.reef import CLASSES, reef_scene


@pytest.mark.parametrize("seed", [0, 3])
def test_a_scene_is_its_seed(seed: int) -> None:
    rgb, labels = reef_scene(np.random.default_rng(seed), Size(120, 160))
    again, labels_again = reef_scene(np.random.default_rng(seed), Size(120, 160))
    assert (rgb.shape, rgb.dtype, labels.shape) == ((120, 160, 3), np.uint8, (120, 160))
    np.testing.assert_array_equal(rgb, again)
    np.testing.assert_array_equal(labels, labels_again)
    other, _ = reef_scene(np.random.default_rng(seed + 1), Size(120, 160))
    assert (other != rgb).any()


def test_water_is_above_and_sand_below_it_and_every_class_is_somewhere() -> None:
    found = [reef_scene(np.random.default_rng(seed), Size(200, 260))[1] for seed in range(6)]
    assert {int(value) for labels in found for value in np.unique(labels)} == set(range(len(CLASSES)))
    for labels in found:
        rows = [np.nonzero(labels == CLASSES.index(name))[0].mean() for name in ("water", "sand")]
        assert rows[0] < rows[1]

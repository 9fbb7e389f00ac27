"""A drawn seabed: the same for the same seed, every class in it, and no pixel that could be taken for no data."""

import numpy as np
import pytest
from scipy import ndimage

from segpipe.commands.demo.seabed import CLASSES, seabed_scene, surveyed_area


def test_a_seabed_is_its_seed() -> None:
    rgb, labels = seabed_scene(np.random.default_rng(0), 150)
    again, labels_again = seabed_scene(np.random.default_rng(0), 150)
    assert (rgb.shape, rgb.dtype, labels.shape, labels.dtype) == ((150, 150, 3), np.uint8, (150, 150), np.uint8)
    np.testing.assert_array_equal(rgb, again)
    np.testing.assert_array_equal(labels, labels_again)
    assert (seabed_scene(np.random.default_rng(1), 150)[0] != rgb).any()


@pytest.mark.parametrize("side", [40, 97])
def test_any_size_has_no_zero_and_known_labels(side: int) -> None:
    rgb, labels = seabed_scene(np.random.default_rng(2), side)
    assert rgb.min() >= 1
    assert labels.max() < len(CLASSES)


def test_every_class_is_there_and_looks_its_own_way() -> None:
    rgb, labels = seabed_scene(np.random.default_rng(0), 600)
    shares = np.bincount(labels.ravel(), minlength=5) / labels.size
    assert shares.min() > 0.03
    sand, seagrass, coral, rock, rubble = (rgb[labels == i].astype(float).mean(0) for i in range(5))
    assert sand.mean() > max(color.mean() for color in (seagrass, coral, rock, rubble))
    assert seagrass[1] > seagrass[0] + 10
    assert seagrass[1] > seagrass[2] + 10
    assert coral[0] > coral[2] + 10
    assert rock.mean() < rubble.mean()


def test_the_survey_is_turned_and_leaves_a_collar() -> None:
    inside, brightness = surveyed_area(np.random.default_rng(0), 400)
    assert (inside.shape, brightness.shape) == ((400, 400), (400, 400))
    assert 0.5 < inside.mean() < 0.7
    border = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    assert not border.any()
    assert ndimage.label(inside)[1] == 1
    rows, columns = np.nonzero(inside)
    spread = np.cov(np.stack([columns, rows]))
    values, vectors = np.linalg.eigh(spread)
    longest = vectors[:, values.argmax()]
    assert abs(np.degrees(np.arctan(longest[1] / longest[0])) - 12) < 4
    assert abs(brightness.mean() - 1) < 0.02
    assert brightness.std() > 0.005

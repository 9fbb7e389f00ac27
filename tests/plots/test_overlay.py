import numpy as np
import pytest

from segpipe.plots.overlay import colorize, find_borders, overlay
from segpipe.records.palette import class_colors


def test_colorize_paints_classes_and_leaves_no_data_black() -> None:
    colors = class_colors(3)
    painted = colorize(np.array([[0, 1], [2, 255]], np.uint8), colors, 255)
    assert painted.dtype == np.uint8
    np.testing.assert_array_equal(painted[0, 0], colors[0])
    np.testing.assert_array_equal(painted[1, 0], colors[2])
    assert painted[1, 1].tolist() == [0, 0, 0]
    deep = colorize(np.array([[299, 65535]], np.uint16), class_colors(300), 65535)
    np.testing.assert_array_equal(deep[0, 0], class_colors(300)[299])
    assert deep[0, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("opacity", [0.0, 0.3, 1.0])
def test_overlay_mixes_by_opacity_and_shows_the_image_where_there_is_no_class(opacity: float) -> None:
    rng = np.random.default_rng(0)
    rgb, mask = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8), rng.integers(0, 4, (8, 9)).astype(np.uint8)
    mask[2, 3] = 255
    colors = class_colors(4)
    mixed = overlay(rgb, mask, colors, opacity=opacity, borders=False)
    classed = mask < 4
    expected = (1 - opacity) * rgb[classed] + opacity * colors[mask[classed]].astype(float)
    assert np.abs(mixed[classed] - expected).max() <= 0.5 + 1e-6
    np.testing.assert_array_equal(mixed[2, 3], rgb[2, 3])


def test_borders_lie_where_classes_meet_and_nowhere_else() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[:, 15:] = 1
    assert np.flatnonzero(find_borders(mask).any(axis=0)).tolist() == [14]
    rgb = np.full((20, 30, 3), 90, np.uint8)
    drawn = overlay(rgb, mask, class_colors(2), opacity=0.5)
    plain = overlay(rgb, mask, class_colors(2), opacity=0.5, borders=False)
    changed = np.flatnonzero((drawn != plain).any(axis=(0, 2)))
    assert changed.tolist() == [13, 14, 15]
    assert (drawn[:, 14] == 255).all()
    flat = np.zeros_like(mask)
    np.testing.assert_array_equal(
        overlay(rgb, flat, class_colors(2), opacity=0.5),
        overlay(rgb, flat, class_colors(2), opacity=0.5, borders=False),
    )


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="the mask is"):
        overlay(np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), np.uint8), class_colors(2), opacity=0.5)

from typing import get_args

import matplotlib
import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.plots.heatmap import Style, color_table, draw, outline, tint

RGB = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
TABLE = color_table("inferno")


def strength_map():
    return np.linspace(0, 1, 40 * 60, dtype=np.float32).reshape(40, 60)


def test_colors_are_matplotlib_s():
    expected = matplotlib.colormaps["viridis"](strength_map(), bytes=True)[..., :3]
    found = tint(strength_map(), color_table("viridis"))
    assert np.abs(found.astype(int) - expected).max() <= 4  # 256 steps either way, rounded or cut
    assert np.abs(found.astype(int) - expected).mean() < 1


def test_an_unknown_color_map_has_a_way_out():
    with pytest.raises(UsageError, match="cmap=infrno is not a color map; did you mean inferno"):
        color_table("infrno")


@pytest.mark.parametrize("style", get_args(Style))
def test_where_nothing_is_attended_and_where_all_is(style):
    none, full = np.zeros((40, 60), np.float32), np.ones((40, 60), np.float32)
    dark, bright = (draw(RGB, s, tint(s, TABLE), style=style) for s in (none, full))
    gray = RGB @ np.array([0.299, 0.587, 0.114])
    if style == "concat":
        np.testing.assert_array_equal(dark[:, :60], RGB)
        np.testing.assert_array_equal(bright[:, 60:], np.broadcast_to(TABLE[255], RGB.shape))
    elif style == "map":
        np.testing.assert_array_equal(bright, np.broadcast_to(TABLE[255], RGB.shape))
    elif style == "overlay":
        np.testing.assert_array_equal(dark, RGB)
        np.testing.assert_allclose(bright, 0.25 * RGB + 0.75 * TABLE[255], atol=1)
    elif style == "mask":
        assert not dark.any()
        np.testing.assert_array_equal(bright, RGB)
    else:
        np.testing.assert_allclose(dark, gray[..., None].repeat(3, axis=2), atol=1.01)
        np.testing.assert_array_equal(bright, RGB)


@pytest.mark.parametrize("style", get_args(Style))
def test_a_threshold_draws_its_border_and_hides_what_lies_outside(style):
    strength = np.full((40, 60), 0.6, np.float32)
    kept = np.zeros((40, 60), bool)
    kept[:, 30:] = True
    picture = draw(RGB, strength, tint(strength, TABLE), style=style, kept=kept)
    plain = draw(RGB, strength, tint(strength, TABLE), style=style)
    if style == "mask":
        assert not picture[:, :30].any()
        np.testing.assert_array_equal(picture[:, 30:], RGB[:, 30:])
    elif style == "overlay":
        np.testing.assert_array_equal(picture[:, :25], RGB[:, :25])
        np.testing.assert_array_equal(picture[:, 35:], plain[:, 35:])
    elif style in ("map", "concat"):
        changed = (picture != plain).any(axis=(0, 2))
        assert changed.any()
        assert not changed[:25].any()
    contour = outline(RGB, kept)
    assert (contour[:, 28:31] == 255).all(axis=2).any(axis=1).all()
    np.testing.assert_array_equal(contour[:, :25], RGB[:, :25])

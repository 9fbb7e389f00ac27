import matplotlib
import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.plots.contact_sheet import Panel, label, sheet, tile
from segpipe.plots.heatmap import STYLES, color_table, draw, outline, tint

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
    with pytest.raises(UsageError, match="--cmap infrno is not a color map; did you mean inferno"):
        color_table("infrno")


@pytest.mark.parametrize("style", STYLES)
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


@pytest.mark.parametrize("style", STYLES)
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


def test_pictures_lie_in_rows():
    parts = [np.full((4, 6, 3), i, np.uint8) for i in range(1, 4)]
    found = tile(parts, columns=2)
    assert found.shape == (8, 12, 3)
    assert [found[0, 0, 0], found[0, 6, 0], found[4, 0, 0], found[4, 6, 0]] == [1, 2, 3, 0]


@pytest.mark.parametrize("shape", [(40, 60), (300, 20), (1, 1), (3, 500)])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_sheet_holds_every_picture_whole(shape, count):
    color = (10, 200, 30)
    panels = [Panel(f"panel {i}", np.full((*shape, 3), color, np.uint8), mark=(1, 2, 3)) for i in range(count)]
    found = sheet("a very long title " * 20, ["one line", "another"], panels, columns=3, width=120)
    height = max(1, round(120 * shape[0] / shape[1]))
    assert (found == color).all(axis=2).sum() == count * 120 * height
    assert (found[-5:] == 255).all()
    assert (found[:, -5:] == 255).all()


def test_an_empty_place_says_why():
    panels = [Panel("image", RGB), Panel("resnet", None, "has no attention")]
    with_note = sheet("t", [], panels, columns=2)
    without = sheet("t", [], [panels[0], Panel("resnet", None)], columns=2)
    assert with_note.shape == without.shape
    assert (with_note != without).any()


@pytest.mark.parametrize("text", ["mean", "x" * 500, "", "ü\n\u202e\x00", "深度"])
def test_any_text_can_be_put_on_a_picture(text):
    found = label(RGB, text)
    assert found.shape == RGB.shape
    assert (found == RGB).all() == (text == "")

"""Contact sheets: panels under captions, tiles, labels."""

import numpy as np
import pytest

from segpipe.plots.contact_sheet import Panel, label, sheet, tile

RGB = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


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

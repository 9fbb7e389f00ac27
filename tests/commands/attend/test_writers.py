"""Which maps are drawn, and how sheets are laid out."""

import pytest

from segpipe.commands.attend.maps import (
    RenderConfig,
    Scale,
    compute_batch,
    map_names,
)
from segpipe.commands.attend.writers import Output, chosen_maps, compare_sheet
from tests.helpers.red_view import TABLE, picture, red_view


def test_maps_are_chosen_in_one_order():
    view = red_view()
    assert map_names(view) == ("mean", "colors", "head00", "head01")
    assert chosen_maps(view, ("head01", "mean")) == ("mean", "head01")
    assert chosen_maps(view, ("heads", "colors")) == ("colors", "head00", "head01")


@pytest.mark.parametrize("wanted", [("mean",), ("head01",), ("colors", "heads")])
def test_a_sheet_of_several_backbones_has_a_column_each_and_a_row_per_map(wanted):
    image = picture("a", 300, 300)
    results = [compute_batch([image], view, side=40)[0] for view in (red_view(), red_view(patch=4))]
    drawing = RenderConfig(TABLE, Scale(1e-9))  # all of every map in full strength: white
    found = compare_sheet(image, results, Output(drawing, "map", wanted))
    rows = len(chosen_maps(results[0].view, wanted))
    assert 3 * 300 < found.shape[1] < 3 * 350
    assert rows * 300 < found.shape[0] < rows * 350 + 120
    first = found[:, :310]
    assert (first == (128, 0, 0)).all(axis=2).sum() == 300 * 300
    assert not (found[:, 310:] == (128, 0, 0)).all(axis=2).any()

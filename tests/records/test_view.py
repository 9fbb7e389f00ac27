import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.records.view import PLAIN, View, limits_of, view_of, view_row

NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
VIEWS = st.builds(
    View,
    bands=st.lists(st.integers(1, 99), max_size=3).map(tuple),
    opaque=st.booleans(),
    nodata=st.lists(NUMBERS, max_size=4).map(tuple),
    fill=NUMBERS,
    any_band=st.booleans(),
    beside=st.lists(st.sampled_from(["a.tif.msk", "a.tif.aux.xml"]), unique=True).map(tuple),
    scale=st.sampled_from(["", "float32~2"]),
)


@given(VIEWS)
def test_views_survive_json(view: View) -> None:
    assert view_of(json.loads(json.dumps(view_row(view)))) == view


def test_a_plain_view_leaves_no_trace() -> None:
    assert view_row(PLAIN) == {}
    assert view_of({}) == PLAIN


@pytest.mark.parametrize(
    "row", [{"bands": [0]}, {"bands": ["x"]}, {"fill": "1"}, {"beside": ["../a.msk"]}, {"opaque": 1}, {"other": 1}]
)
def test_nonsense_is_refused(row: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        view_of(row)


def test_channels_have_limits_of_their_own_but_in_8_bits() -> None:
    view = View(channels=("B04", "ndvi"), math=("ndvi=(B08 - B04) / (B08 + B04)",), layers=("B04=", "B08=../R/x.jp2"))
    assert view_of(view_row(view)) == view
    assert view.files == ("../R/x.jp2",)
    low, high = limits_of("float32", view, {"float32 B04": (0.0, 9.0), "float32 ndvi": (-1.0, 1.0)})
    assert (low.tolist(), high.tolist()) == ([0.0, -1.0], [9.0, 1.0])
    assert limits_of("uint8", view, {}) == (0.0, 255.0)
    assert limits_of("uint16", View(scale="uint16~2"), {"uint16~2": (1.0, 2.0)}) == (1.0, 2.0)


@pytest.mark.parametrize("layer", ["x.tif", "a=/etc/x.tif", "a=../../x.tif", "a=b/c.tif", "a=b=c/x"])
def test_layers_lie_beside_the_image_or_in_a_folder_beside_its_own(layer: str) -> None:
    with pytest.raises(ValueError, match="say nothing of a raster"):
        view_of({"layers": [layer]})

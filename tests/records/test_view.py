import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.records.view import PLAIN, View, view_of, view_row

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

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.inference.band_views import see
from segpipe.inference.view_plan import count_views, groups_of, make_views, principal_view

S2 = ["B02", "B03", "B04", "B08"]


def test_auto_is_what_people_see_and_the_others_by_threes_or_all_in_principal_components() -> None:
    assert groups_of(["auto"], S2) == [(2, 1, 0), (3, 2, 1)]
    assert groups_of(["auto"], ["vv"]) == [(0, 0, 0)]
    assert groups_of(["auto"], [*S2, "B05", "B06", "B07", "B11"]) == [(2, 1, 0), (3, 4, 5), (6, 7, 2)]
    assert groups_of(["auto"], [*S2, *"abcdefgh"]) == [(2, 1, 0), None]


def test_groups_are_named_and_what_is_not_there_is_told() -> None:
    views = make_views(["b08+B04+b03", "B08"], S2, [])
    assert [(view.name, view.chosen) for view in views] == [("B08+B04+B03", [3, 2, 1]), ("B08+B08+B08", [3, 3, 3])]
    with pytest.raises(UsageError, match=r"no channel 'b11'; the images have B02, B03, B04, B08"):
        groups_of(["B11"], S2)
    with pytest.raises(UsageError, match=r"'B02\+B03' is not one channel or three"):
        groups_of(["B02+B03"], S2)


def test_as_many_are_counted_as_there_will_be() -> None:
    for channels in range(1, 14):
        assert count_views(["auto", "pca"], channels) == 1 + len(groups_of(["auto"], [str(i) for i in range(channels)]))
    assert count_views(["all"], 7) == count_views(["auto"], 0) == 1


def test_principal_components_hold_the_variance_in_three_deviations() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(0, 1, (4000, 2)) * [30, 8]
    pixels = (base @ np.array([[1, 1, 0, 0], [0, 0, 1, -1]]) + 120).clip(0, 255).astype(np.uint8)
    view = principal_view([pixels[:1000], pixels[1000:]], 4)
    shown = see(view, pixels).astype(np.float64)
    assert shown.mean(axis=0) == pytest.approx([127.5, 127.5, 0], abs=2)  # what is left is rounding alone
    assert shown[:, :2].std(axis=0) == pytest.approx([42.5, 42.5], rel=0.03)
    assert abs(np.corrcoef(shown[:, 0], base[:, 0])[0, 1]) > 0.99
    assert abs(np.corrcoef(shown[:, 1], base[:, 1])[0, 1]) > 0.95
    flat = see(principal_view([np.full((10, 2), 7, np.uint8)], 2), np.full((3, 2), 7, np.uint8))
    assert not flat.any()
    assert not see(principal_view([np.empty((0, 2), np.uint8)], 2), np.full((3, 2), 7, np.uint8)).any()

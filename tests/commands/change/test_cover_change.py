"""The table of cover at both dates."""

import numpy as np
import pytest

from segpipe.base.options import make
from segpipe.commands.change.cover_change import ALL, CoverChange, CoverTable, cover_change
from segpipe.commands.change.image_pairs import find_pairs
from segpipe.commands.change.options import ChangeOptions
from segpipe.commands.change.survey import SurveyDate
from segpipe.ops.change.light_effect import light_effect
from tests.helpers.two_dates import named_survey


def options(**more: object) -> ChangeOptions:
    return make(ChangeOptions, {"run_a": "r", "second": "s", "out": "o", "n_resamples": 200, **more})


def surveys(sites: int, images: int = 3) -> tuple[SurveyDate, SurveyDate]:
    rng = np.random.default_rng(0)
    dates = []
    for coral in (4000, 2500):
        found = {}
        for site in range(sites):
            for i in range(images):
                pixels = coral + 200 * site + int(rng.normal(0, 60))
                found[f"site{site}/{i}"] = [pixels, 10_000 - pixels]
        dates.append(named_survey(found))
    return dates[0], dates[1]


def test_every_site_and_all_of_them() -> None:
    found = cover_change(surveys(3), [], [], None, options())
    assert isinstance(found, CoverChange)
    assert (found.unit, found.weight, found.alone) == ("images", "pixels", ())
    assert [row.site for row in found.rows[::2]] == [ALL, "site0", "site1", "site2"]
    coral = found.whole[0]
    assert coral.difference == pytest.approx(-0.15, abs=0.02)
    assert (coral.verdict, coral.first_units, coral.second_units) == ("less", 9, 9)
    assert coral.low is not None
    assert coral.high is not None
    assert coral.low < -0.15 < coral.high < 0


def test_many_sites_are_drawn_again_together() -> None:
    one, other = surveys(9)
    sites, images = (cover_change((one, other), [], [], None, options(unit=unit)) for unit in ("auto", "image"))
    assert (sites.unit, images.unit) == ("sites", "images")
    wide = [row.high - row.low for row in (sites.whole[0], images.whole[0]) if row.high and row.low]
    assert wide[0] < 0.5 * wide[1]  # sites differ by more than any of them changed
    assert sites.whole[0].first_units == 9


def test_sites_that_one_date_has_alone_are_left_out() -> None:
    one, _ = surveys(2)
    other = named_survey({f"site{s}/{i}": [5000 + i, 5000] for s in (1, 2) for i in range(3)})
    found = cover_change((one, other), [], [], None, options())
    assert found.alone == ("site0", "site2")
    assert found.whole[0].first_units == 3
    strange = cover_change((one, named_survey({"elsewhere/x": [1, 2]})), [], [], None, options())
    assert strange.alone == ()
    assert strange.whole[0].verdict == "no interval"


def test_pairs_are_drawn_again_together() -> None:
    one, other = surveys(2)
    found = cover_change((one, other), find_pairs(one, other, "names"), [], None, options())
    assert found.unit == "pairs of images"
    assert (found.whole[0].first_units, found.whole[0].second_units) == (6, 6)
    assert [row.site for row in found.rows[::2]] == [ALL, "site0", "site1"]


def test_square_meters_where_all_images_know_them() -> None:
    found = cover_change(surveys(1), [], [], None, options(gsd=0.001))
    assert found.weight == "square meters"
    assert [row.site for row in found.rows] == [ALL, ALL]  # one site is all


def test_what_light_alone_would_make_is_no_change() -> None:
    found = cover_change(surveys(2), [], [], light_effect([np.array([[30, 20], [0, 50]])], 0.0), options())
    assert [row.verdict for row in found.whole] == ["may be light", "may be light"]
    rows = CoverTable(["x", "y"], None, options()).of_pairs(["s"], np.ones((1, 2)), np.ones((1, 2)))
    assert [row.verdict for row in rows] == ["no interval", "no interval"]

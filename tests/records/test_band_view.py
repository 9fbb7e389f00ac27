import json
from dataclasses import asdict

import pytest

from segpipe.records.band_view import BandView, band_view_of, choosing


def test_a_view_survives_json_and_knows_what_it_chooses() -> None:
    chosen = choosing("nir", (3, 3, 0), 4)
    mixed = BandView("pca", ((0.5, 0.5), (1.0, 0.0), (0.0, 1.0)), (0.0, 0.0, 0.0))
    shifted = BandView("x", ((1.0, 0.0), (1.0, 0.0), (0.0, 1.0)), (1.0, 0.0, 0.0))
    for view, places in ((chosen, [3, 3, 0]), (mixed, None), (shifted, None)):
        assert view.chosen == places
        assert band_view_of(json.loads(json.dumps(asdict(view)))) == view


def test_rows_of_two_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="three rows of weights of one length"):
        BandView("x", ((1.0,), (1.0, 2.0), (1.0,)))

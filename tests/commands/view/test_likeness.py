from pathlib import Path

import numpy as np
import pytest

from segpipe.base.errors import UsageError
from segpipe.commands.view.likeness import Likeness
from segpipe.commands.view.opened_run import NotHere, OpenedRun
from segpipe.commands.view.tile_cache import TileCache


def test_places_are_found_with_their_boxes(finished: Path, tmp_path: Path) -> None:
    run = OpenedRun(finished)
    likeness = Likeness(run, TileCache(tmp_path, memory=1 << 20, disk=1 << 20))
    places = likeness.similar(1, 50, 60, 12)["places"]
    assert len(places) == 12
    cosines = [place["cosine"] for place in places]
    assert cosines == sorted(cosines, reverse=True)
    assert (places[0]["image"], places[0]["top"] <= 50 < places[0]["top"] + places[0]["height"]) == (1, True)
    assert np.bincount([place["image"] for place in places]).max() <= 2
    assert likeness.similar(1, 50, 60, 12)["places"] is places
    assert likeness.heat((1, 50, 60), 1, 0, 0, 0)[:4] == b"\x89PNG"
    with pytest.raises(UsageError, match="is outside"):
        likeness.similar(1, 5000, 60, 12)
    with pytest.raises(NotHere):
        likeness.similar(77, 5, 6, 12)
    with pytest.raises(NotHere):
        likeness.heat((1, 50, 60), 1, 9, 0, 0)

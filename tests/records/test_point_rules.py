"""Settings of points that came later are no part of the key of a run that does not use them."""

from pathlib import Path

import pytest

from segpipe.records.point_rules import without_later
from segpipe.stages import cluster, cover, evaluate


@pytest.mark.parametrize("config", [evaluate.Config(), cover.Config(), cluster.Config(guide=Path("points.csv"))])
def test_runs_of_earlier_versions_stay_up_to_date(config: evaluate.Config | cover.Config | cluster.Config) -> None:
    assert not {"skip_outside", "points_in"} & config.identity().keys()
    changed = config.model_copy(update={"skip_outside": True, "points_in": "stored"})
    assert {"skip_outside", "points_in"} <= changed.identity().keys()


def test_without_a_guide_they_are_none_of_the_clusters() -> None:
    assert not {"skip_outside", "points_in"} & cluster.Config(points_in="stored").identity().keys()


def test_only_what_is_as_it_was_is_left_out() -> None:
    assert without_later({"skip_outside": False, "points_in": "stored", "k": 1}) == {"points_in": "stored", "k": 1}

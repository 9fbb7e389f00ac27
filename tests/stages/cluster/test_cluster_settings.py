from pathlib import Path

import pytest

from segpipe.base.errors import UsageError
from segpipe.stages.cluster.cluster_settings import Config, check_guide, prototypes


def test_small_clusters_are_four_for_each_class_at_least() -> None:
    assert prototypes(Config(k=27)) == 120
    assert prototypes(Config(k=50)) == 200
    assert prototypes(Config(k="auto", prototypes=7)) == 7


def test_without_a_guide_its_settings_change_nothing() -> None:
    assert not {"guide", "guide_classes", "hold_out", "skip_outside", "points_in"} & Config().identity().keys()
    assert "guide" in Config(guide=Path("/a.csv")).identity()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hold_out": 0.5}, r"nothing steers; give .*guide"),
        ({"guide_classes": Path("/names.txt")}, r"nothing steers; give .*guide"),
        ({"guide": Path("/a.csv"), "method": "kmeans"}, "points steer the cut of the tree alone"),
        ({"guide": Path("/a.csv"), "primaps": 3}, "points steer the cut of the tree alone"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, object], said: str) -> None:
    check_guide(Config())
    check_guide(Config(guide=Path("/a.csv"), hold_out=0.5))
    with pytest.raises(UsageError, match=said):
        check_guide(Config(**settings))

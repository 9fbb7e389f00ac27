"""What may be asked of `track`."""

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.track.options import TrackOptions


def test_defaults_follow_three_objects_of_the_last_block() -> None:
    options = make(TrackOptions, {"video": "dive.mp4", "out": "tracks"})
    assert (options.objects, options.heads, options.tracker, options.block) == (3, "overlap", "contrast", -1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"frames": (5, 5)}, "frames=5 5: give FROM < TO"),
        ({"objects": 0}, "objects=0"),
        ({"heads": "some"}, "heads=some"),
        ({"keep": -1}, "keep=-1"),
        ({"rejoin": 1.5}, "rejoin=1.5"),
        ({"tracker": "sort"}, "tracker=sort"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make(TrackOptions, {"video": "dive.mp4", "out": "tracks", **given})

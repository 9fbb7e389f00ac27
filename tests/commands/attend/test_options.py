"""Options of attend: what values mean, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.geometry import Box, Size
from segpipe.base.options import make
from segpipe.commands.attend.options import AttendOptions


def options(**given: Any) -> AttendOptions:
    return make(AttendOptions, {"images": "photos", "out": "seen", **given})


def test_values_from_the_terminal_and_from_python_mean_the_same() -> None:
    assert options(resize="640x360").new_size == options(resize=(640, 360)).new_size == Size(360, 640)
    assert options(resize="640").new_size == options(resize=640).new_size == 640
    assert options(maps=["mean", 3, "11"]).map_names == ("mean", "head03", "head11")
    assert options(scale=8).scale == options(scale="8").scale == "8"
    assert options(crop=(1, 5, 2, 9)).box == Box(1, 2, 4, 7)
    assert (options().new_size, options().box) == (None, None)


def test_backbones_are_the_own_one_and_those_beside_it() -> None:
    assert options().backbones == [("dino_vits16", None)]
    assert options(compare=["a", "b=w.pth"]).backbones == [("a", None), ("b", Path("w.pth"))]
    assert options(backbone="c", compare=["dino"]).backbones[:2] == [("c", None), ("dino_vits16", None)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"resize": "0"}, "resize=0: give the longest side such as 640"),
        ({"resize": "640x"}, "resize=640x: give the longest side"),
        ({"crop": (5, 5, 0, 9)}, "crop=5 5 0 9: give rows Y0 < Y1"),
        ({"frames": (9, 3)}, "frames=9 3: give FROM < TO"),
        ({"scale": "-1"}, "scale=-1: give own, shared, or a number"),
        ({"maps": ["depth"]}, "maps=depth: give mean, colors, rollout"),
        ({"compare": ["dino", "dino_vits8"]}, "dino_vits8 is named twice"),
        ({"threshold": 0}, "threshold=0: should be greater than 0"),
        ({"style": "bold"}, "style=bold: should be 'map', 'concat'"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        options(**given)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)

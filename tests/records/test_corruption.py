from typing import Any

import numpy as np
import pytest

from segpipe.records import corruption

RGB = np.zeros((4, 6, 3), np.uint8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rgb": RGB[..., :2]}, "a picture is"),
        ({"rgb": RGB.astype(np.float32)}, "a picture is"),
        ({"rgb": RGB, "back": np.eye(2)}, r"a homography is \(3, 3\)"),
        ({"rgb": RGB, "touched": np.zeros((6, 4), bool)}, r"touched is \(6, 4\)"),
        ({"rgb": RGB, "touched": np.zeros((4, 6), np.uint8)}, "touched is"),
    ],
)
def test_pictures_check_themselves(fields: dict[str, Any], message: str) -> None:
    corruption.Disturbed(RGB, np.eye(3), np.zeros((4, 6), bool))
    with pytest.raises(ValueError, match=message):
        corruption.Disturbed(**fields)


@pytest.mark.parametrize(
    ("name", "family", "levels"),
    [
        ("roll over", "geometry", (1.0,)),
        ("", "geometry", (1.0,)),
        ("roll", "weather", (1.0,)),
        ("roll", "geometry", ()),
        ("roll", "geometry", (1.0, 2.0, 1.5)),
        ("roll", "geometry", (1.0, 1.0)),
    ],
)
def test_kinds_check_themselves(name: str, family: str, levels: tuple[float, ...]) -> None:
    def keep(rgb: Any, level: float, rng: np.random.Generator) -> corruption.Disturbed:
        return corruption.Disturbed(rgb)

    for good in ((3.0, 2.0, 1.0), (1.0, 2.0), (5.0,)):
        corruption.Disturbance("roll", "geometry", good, "degrees", keep)
    with pytest.raises(ValueError, match=r"names hold no space|rise or fall"):
        corruption.Disturbance(name, family, levels, "degrees", keep)

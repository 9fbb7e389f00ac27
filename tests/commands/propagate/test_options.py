"""Options of `segpipe propagate` that must agree."""

from typing import Any

import pytest

from segpipe.base.errors import UsageError
from segpipe.base.options import make
from segpipe.commands.propagate.options import PropagateOptions

BASE = {"video": "a.mp4", "out": "carried"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "what is carried"),
        ({"masks": "a.png", "key_frames": "classes"}, "what is carried"),
        ({"masks": "a.png", "run_video": "b.mp4"}, "one of a run's films"),
        ({"masks": "a.png", "frames": (5, 5)}, "FROM < TO"),
        ({"masks": "a.png", "top": 0}, "top=0"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make(PropagateOptions, {**BASE, **given})


def test_a_protocol_brings_its_defaults() -> None:
    dino = make(PropagateOptions, {**BASE, "masks": "a.png"})
    assert (dino.short, dino.sharpness, dino.shape, dino.start, dino.stop) == (480, 0.1, "square", 0, None)
    dinov3 = make(PropagateOptions, {**BASE, "masks": "a.png", "protocol": "dinov3", "frames": (3, 9)})
    assert (dinov3.short, dinov3.sharpness, dinov3.shape, dinov3.start, dinov3.stop) == (960, 0.2, "circle", 3, 9)
    own = make(PropagateOptions, {**BASE, "masks": "a.png", "input_size": 64, "temperature": 0.5})
    assert (own.short, own.sharpness) == (64, 0.5)

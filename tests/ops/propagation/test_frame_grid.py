"""Frames come to whole patches, whatever their shape."""

import numpy as np
import pytest

from segpipe.base.geometry import Size
from segpipe.ops.propagation.frame_grid import Protocol, input_size, to_input_size


@pytest.mark.parametrize(
    ("frame", "short", "patch", "protocol", "wanted"),
    [
        (Size(480, 854), 480, 16, "dino", Size(480, 832)),
        (Size(1080, 1920), 480, 8, "dino", Size(480, 832)),
        (Size(854, 480), 480, 16, "dino", Size(832, 480)),
        (Size(480, 480), 480, 16, "dino", Size(480, 448)),
        (Size(480, 854), 480, 14, "dino", Size(476, 840)),
        (Size(61, 81), 32, 16, "dino", Size(32, 32)),
        (Size(3, 3000), 16, 16, "dino", Size(16, 16000)),
        (Size(480, 854), 960, 16, "dinov3", Size(960, 1712)),
        (Size(854, 480), 950, 16, "dinov3", Size(1712, 960)),
    ],
)
def test_sizes_follow_the_protocol(frame: Size, short: int, patch: int, protocol: Protocol, wanted: Size) -> None:
    found = input_size(frame, short=short, patch=patch, protocol=protocol)
    assert found == wanted
    assert found.height % patch == found.width % patch == 0


@pytest.mark.parametrize("protocol", ["dino", "dinov3"])
def test_a_frame_is_brought_to_its_size(protocol: Protocol) -> None:
    rgb = np.full((30, 50, 3), (10, 20, 30), np.uint8)
    found = to_input_size(rgb, Size(16, 32), protocol=protocol)
    assert found.shape == (16, 32, 3)
    assert found.reshape(-1, 3).tolist() == [[10, 20, 30]] * 512
    assert to_input_size(rgb, Size(30, 50), protocol=protocol) is rgb

import io

import pytest

from segpipe.base.geometry import Size
from segpipe.images.container import ByteReader, sized


def test_nothing_is_read_past_the_end() -> None:
    file = ByteReader(io.BytesIO(b"\1\2\3\4"), 4)
    assert file.at(1, 3) == b"\2\3\4"
    assert file.unpack(">HH", 0) == (0x102, 0x304)
    with pytest.raises(ValueError, match="truncated: 4 bytes, at least 5 expected"):
        file.at(2, 3)


def test_a_size_has_pixels() -> None:
    assert sized(2, 3) == Size(2, 3)
    with pytest.raises(ValueError, match="3 x 0 pixels"):
        sized(0, 3)

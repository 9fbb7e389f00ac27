from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.base.geometry import Size
from segpipe.images.container import Container
from segpipe.images.headers import inspect
from segpipe.images.photographs import decode, open_photograph, read_photograph, upright


def test_a_photograph_comes_the_right_way_up_with_its_transparent_pixels(tmp_path: Path) -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (3, 5, 4), np.uint8)
    rgba[..., 3] = [[255] * 5, [0] * 5, [128] * 5]
    exif = Pillow.Exif()
    exif[274] = 3
    Pillow.fromarray(rgba).save(tmp_path / "a.png", exif=exif)
    container = inspect(tmp_path / "a.png")
    rgb, valid = read_photograph(tmp_path / "a.png", container)
    np.testing.assert_array_equal(rgb, rgba[::-1, ::-1, :3])
    assert valid is not None
    assert valid.all(axis=1).tolist() == [True, False, True]
    assert decode(tmp_path / "a.png", container, only_alpha=True).getextrema() == (0, 255)
    with open_photograph(tmp_path / "a.png", container) as image:
        assert image.size == (5, 3)


def test_another_size_than_the_header_says_is_refused_before_decoding(tmp_path: Path) -> None:
    Pillow.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="6 x 4 pixels where its header says 9 x 4"):
        read_photograph(tmp_path / "a.png", Container("PNG", Size(4, 9)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_undone_by_the_same_number_of_turns(orientation: int) -> None:
    array = np.arange(6).reshape(2, 3)
    turned = upright(array, orientation)
    assert turned.shape == ((3, 2) if orientation >= 5 else (2, 3))
    back = {6: 8, 8: 6}.get(orientation, orientation)
    np.testing.assert_array_equal(upright(turned, back), array)

import io

import numpy as np
import pytest
from scipy.io import savemat

from segpipe.images.matfile import IMAGE, LABELS, find_shape, read_variable


def saved(**arrays: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    savemat(file, arrays, do_compression=True)
    file.seek(0)
    return file


def test_an_array_comes_back_as_scipy_wrote_it() -> None:
    rng = np.random.default_rng(0)
    tile, labels = (rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((5, 7, 4), (5, 7)))
    file = saved(**{IMAGE: tile, LABELS: labels})
    assert find_shape(file, IMAGE) == (5, 7, 4)
    assert find_shape(file, LABELS) == (5, 7)
    np.testing.assert_array_equal(read_variable(file, IMAGE), tile)
    np.testing.assert_array_equal(read_variable(file, LABELS), labels)


def test_what_cannot_be_used_is_told() -> None:
    with pytest.raises(ValueError, match="without a variable 'img'; it holds other"):
        read_variable(saved(other=np.zeros((2, 2), np.uint8)), IMAGE)
    with pytest.raises(ValueError, match="'gt' is of type double, not uint8"):
        find_shape(saved(gt=np.zeros((2, 2))), LABELS)
    whole = saved(img=np.random.default_rng(1).integers(0, 256, (30, 30, 3), dtype=np.uint8)).getvalue()
    with pytest.raises(ValueError, match="damaged MATLAB file"):
        read_variable(io.BytesIO(whole[:136] + b"\0" * 40 + whole[176:]), IMAGE)

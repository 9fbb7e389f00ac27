"""Shifts by phase correlation: parts of a pixel, other exposure, and no shift where there is none."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from segpipe.ops.change.phase_shift import RasterShift, WindowShift, common_shift, window_shift

Gray = npt.NDArray[np.float32]


def ground(seed: int, side: int) -> Gray:
    rough = np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(rough, (0, 0), 1.5) * 40 + 100, np.float32)


def moved(picture: Gray, rows: float, cols: float) -> Gray:
    matrix = np.array([[1, 0, cols], [0, 1, rows]], np.float64)
    return np.asarray(cv2.warpAffine(picture, matrix, picture.shape[::-1], flags=cv2.INTER_CUBIC), np.float32)


@pytest.mark.parametrize(("rows", "cols"), [(7.3, -4.6), (0.0, 0.0), (-0.5, 0.25), (21.8, 30.1)])
def test_a_shift_is_found_to_a_tenth_of_a_pixel(rows: float, cols: float) -> None:
    first = ground(0, 320)
    second = moved(first, rows, cols) * 0.6 + 30 + np.random.default_rng(1).normal(size=first.shape) * 3
    found = window_shift(first[32:288, 32:288], second[32:288, 32:288].astype(np.float32))
    assert found.clear
    assert abs(found.rows - rows) < 0.1
    assert abs(found.cols - cols) < 0.1


def test_other_ground_has_no_clear_peak() -> None:
    peaks = [window_shift(ground(2 * i, 128), ground(2 * i + 1, 128)).clear for i in range(20)]
    assert not any(peaks)
    assert common_shift([window_shift(ground(2 * i, 128), ground(2 * i + 1, 128)) for i in range(6)]) is None


def test_even_windows_say_nothing() -> None:
    assert not window_shift(np.ones((16, 16), np.float32), np.ones((16, 16), np.float32)).clear


def test_windows_that_differ_are_outvoted() -> None:
    windows = [WindowShift(7.3, -4.6, 30), WindowShift(7.2, -4.5, 30), WindowShift(7.4, -4.7, 30)]
    found = common_shift([*windows, WindowShift(80, 3, 9), WindowShift(7.0, 0, 2.0)])
    assert isinstance(found, RasterShift)
    assert (found.used, found.windows) == (3, 5)
    assert found.rows == pytest.approx(7.3)
    assert found.cols == pytest.approx(-4.6)
    assert found.spread < 0.3
    assert found.length == pytest.approx(np.hypot(7.3, 4.6))


def test_windows_that_agree_on_nothing_give_no_shift() -> None:
    assert common_shift([WindowShift(40.0 * i, 17.0 * i * i, 30) for i in range(7)]) is None
    assert common_shift([WindowShift(1, 1, 30), WindowShift(0, 0, 1), WindowShift(0, 0, 1)]) is None


def test_windows_must_be_alike() -> None:
    with pytest.raises(ValueError, match="must be alike"):
        window_shift(np.zeros((16, 16), np.float32), np.zeros((16, 17), np.float32))

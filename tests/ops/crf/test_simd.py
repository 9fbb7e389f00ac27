"""Vectors of compiled loops against numpy."""

import numpy as np
import pytest
from numba import njit

from segpipe.ops.crf import simd as of

WIDTHS = [1, 8, 16, 32]


@njit
def _copy(like, source, target, first):  # type: ignore[no-untyped-def]
    of.prefetch(like, source, first)
    of.store(target, first, of.load(like, source, first))


@njit
def _compute(like, a, b, out):  # type: ignore[no-untyped-def]
    x, y, half = of.load(like, a, 0), of.load(like, b, 0), np.float32(0.5)
    rows = (of.plus(x, y), of.times(x, y), of.larger(x, y), of.muladd(half, x, y), of.scale(half, x), of.exp(x))
    for i, row in enumerate(rows):
        of.store(out, i * len(like), row)
    return of.total(x), of.largest(x)


@pytest.mark.parametrize("width", WIDTHS)
def test_lanes_compute_as_numpy_does(width: int) -> None:
    rng = np.random.default_rng(width)
    a, b = -20 * rng.random(width, np.float32), rng.normal(size=width).astype(np.float32)
    out = np.empty(6 * width, np.float32)
    total, largest = _compute(((),) * width, a, b, out)
    wanted = [a + b, a * b, np.maximum(a, b), 0.5 * a + b, 0.5 * a, np.exp(a.astype(float))]
    np.testing.assert_allclose(out.reshape(6, width), wanted, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(total, a.sum(dtype=float), rtol=1e-6)
    assert largest == a.max()


@pytest.mark.skipif(not of.has_halves(), reason="this processor does not convert 16-bit floats")
@pytest.mark.parametrize("width", WIDTHS)
def test_16_bit_floats_are_those_of_numpy(width: int) -> None:
    """All that there are are read, and every float32 becomes the nearest of them."""
    every = np.arange(-(1 << 15), 1 << 15).astype(np.int16)
    every = every[np.isfinite(every.view(np.float16))]
    every = every[: len(every) // width * width]
    read = np.empty(len(every), np.float32)
    rng = np.random.default_rng(width)
    numbers = (rng.normal(size=3200) * 2.0 ** rng.integers(-30, 13, 3200)).astype(np.float32)
    written = np.empty(len(numbers), np.int16)
    for source, target in ((every, read), (numbers, written)):
        for first in range(0, len(source), width):
            _copy(((),) * width, source, target, first)
    np.testing.assert_array_equal(read, every.view(np.float16).astype(np.float32))
    np.testing.assert_array_equal(written.view(np.float16), numbers.astype(np.float16))


@pytest.mark.parametrize("width", WIDTHS)
def test_whole_numbers_of_16_bits_are_rounded_to_the_nearest(width: int) -> None:
    every = np.arange(1 << 16).astype(np.uint16)
    read, written = np.empty(len(every), np.float32), np.zeros(len(every), np.uint16)
    for first in range(0, len(every), width):
        _copy(((),) * width, every, read, first)
    np.testing.assert_array_equal(read, every)
    near = (read + np.random.default_rng(0).uniform(-0.49, 0.49, len(read))).clip(0).astype(np.float32)
    for first in range(0, len(every), width):
        _copy(((),) * width, near, written, first)
    np.testing.assert_array_equal(written, every)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpipe.ops.maps.smoothing import smooth, smooth_widely


def plainly(field, valid, share):
    out = np.zeros(field.shape, np.float64)
    rows, cols = valid.shape
    for r in range(rows):
        for c in range(cols):
            if not valid[r, c]:
                continue
            total, weight = np.zeros(field.shape[2]), 0.0
            for y in range(max(0, r - 1), min(rows, r + 2)):
                for x in range(max(0, c - 1), min(cols, c + 2)):
                    if valid[y, x]:
                        w = 1.0 if (y, x) == (r, c) else share
                        length = np.linalg.norm(field[y, x])
                        total += w * field[y, x] / (length if length > 0 else 1)
                        weight += w
            out[r, c] = total / weight
    return out


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10_000), st.sampled_from([0.1, 0.5, 1.0]))
def test_smoothing_is_the_weighted_mean_of_unit_vectors_of_valid_patches(rows, cols, seed, share):
    rng = np.random.default_rng(seed)
    field = rng.normal(size=(rows, cols, 3)).astype(np.float32) * rng.integers(0, 4, (rows, cols, 1))
    valid = rng.random((rows, cols)) < 0.7
    np.testing.assert_allclose(smooth(field, valid, share), plainly(field, valid, share), atol=1e-5)


def test_wide_smoothing_is_two_plain_means():
    rng = np.random.default_rng(3)
    field, valid = rng.normal(size=(6, 7, 3)).astype(np.float32), rng.random((6, 7)) < 0.8
    expected = plainly(plainly(field, valid, 1.0), valid, 1.0)
    np.testing.assert_allclose(smooth_widely(field, valid), expected, atol=1e-5)
    spike = np.zeros((7, 7, 2))
    spike[..., 0], spike[3, 3] = 1, (0, 1)
    reached = smooth_widely(spike, np.ones((7, 7), bool))[..., 1] > 0
    assert np.argwhere(reached).min(axis=0).tolist() == [1, 1]
    assert np.argwhere(reached).max(axis=0).tolist() == [5, 5]


def test_what_invalid_patches_hold_changes_nothing():
    rng = np.random.default_rng(0)
    field, valid = rng.normal(size=(4, 5, 6)).astype(np.float32), rng.random((4, 5)) < 0.5
    other = np.where(valid[..., None], field, 7)
    np.testing.assert_array_equal(smooth(field, valid, 0.5), smooth(other, valid, 0.5))


@pytest.mark.parametrize(("share", "expected"), [(0.0, 3), (0.5, 0.5)])
def test_half_precision_features_are_taken(share, expected):
    field = np.ones((2, 2, 4), np.float16) * 3
    found = smooth(field, np.ones((2, 2), bool), share)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)

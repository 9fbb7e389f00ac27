"""Measures of maps and features against slow plain statements."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from segpipe.commands.probe import metrics

EVERYWHERE = (-math.inf, math.inf)
maps = arrays.arrays(np.float32, (3, 4), elements=st.floats(0.125, 8, width=32))
weights = arrays.arrays(np.float64, (3, 4), elements=st.floats(0.25, 1))


@given(maps, maps, weights)
def test_overlap_is_the_sum_of_the_smaller_shares(before, after, weight):
    cells = [(r, c) for r in range(3) for c in range(4)]
    p = [float(before[at]) * weight[at] for at in cells]
    q = [float(after[at]) * weight[at] for at in cells]
    plain = sum(min(a / sum(p), b / sum(q)) for a, b in zip(p, q, strict=True))
    assert metrics.overlap(before, after, weight) == pytest.approx(plain, abs=1e-9)
    assert metrics.overlap(before, after) == pytest.approx(metrics.overlap(after, before))
    assert metrics.overlap(before, 3 * before) == pytest.approx(1)


def test_maps_that_share_no_place_have_no_overlap():
    left, right = np.array([[1.0, 2, 0, 0]]), np.array([[0.0, 0, 5, 1]])
    assert metrics.overlap(left, right) == 0
    assert math.isnan(metrics.overlap(left, np.zeros((1, 4))))
    assert math.isnan(metrics.overlap(left, right, np.array([[0.0, 0, 1, 1]])))  # nothing of the first is counted


@given(maps, maps)
def test_correlation_is_numpy_s_and_weights_are_how_often_a_patch_counts(before, after):
    if before.std() < 1e-3 or after.std() < 1e-3:
        return
    assert metrics.correlation(before, after) == pytest.approx(
        np.corrcoef(before.ravel(), after.ravel())[0, 1], abs=1e-6
    )
    times = np.arange(12).reshape(3, 4) % 3
    a, b = (np.repeat(x.ravel(), times.ravel()) for x in (before, after))
    if a.std() > 1e-3 and b.std() > 1e-3:
        plain = np.corrcoef(a, b)[0, 1]
        assert metrics.correlation(before, after, times / 2) == pytest.approx(plain, abs=1e-6)


def test_a_map_that_is_the_same_everywhere_correlates_with_nothing():
    even = np.full((3, 4), 0.1, np.float32)
    assert math.isnan(metrics.correlation(even, np.arange(12.0).reshape(3, 4)))


def test_change_keeps_the_unit():
    before, after = np.array([[1.0, 3]]), np.array([[2.0, 2]])
    assert metrics.change(before, after) == (2, 4)
    assert metrics.change(before, after, np.array([[1.0, 0]])) == (1, 1)
    assert metrics.change(before, before) == (0, 4)


def test_drawn_compares_the_same_pixels():
    before, touched = np.ones((2, 2)), np.array([[0.5, 0], [0, 0]])
    after = np.array([[3.0, 1], [1, 1]])
    part, whole = metrics.attraction(before, after, touched)
    assert (part, whole) == (pytest.approx(0.5 * 3 / 6), pytest.approx(0.5 / 4))
    assert metrics.attraction(before, after, np.zeros((2, 2))) == pytest.approx(metrics.NOTHING, nan_ok=True)


def test_covered_is_the_share_of_a_patch():
    mask = np.zeros((4, 6), np.bool_)
    mask[:2, :2] = True
    mask[3, 5] = True
    np.testing.assert_array_equal(metrics.covered(mask, 2), [[1, 0, 0], [0, 0, 0.25]])


def test_directions_are_seen_from_the_mean():
    rng = np.random.default_rng(0)
    mean = np.full(64, 50, np.float32)
    a, b = (mean + rng.standard_normal((1, 1, 64)).astype(np.float32) for _ in range(2))
    assert float(a.ravel() @ b.ravel() / np.linalg.norm(a) / np.linalg.norm(b)) > 0.99
    assert abs(metrics.cosine(metrics.directions(a, mean), metrics.directions(b, mean))) < 0.4
    np.testing.assert_allclose(np.linalg.norm(metrics.directions(a, mean), axis=-1), 1, atol=1e-6)


def test_cosine_is_the_weighted_mean_over_places():
    rng = np.random.default_rng(1)
    a, b = (metrics.directions(rng.standard_normal((2, 3, 5)), np.zeros(5)) for _ in range(2))
    weight = rng.uniform(size=(2, 3))
    plain = sum(
        weight[r, c] * sum(float(x) * float(y) for x, y in zip(a[r, c], b[r, c], strict=True))
        for r in range(2)
        for c in range(3)
    )
    assert metrics.cosine(a, b, weight) == pytest.approx(plain / weight.sum(), abs=1e-6)


def test_patches_are_found_where_they_went():
    rng = np.random.default_rng(2)
    before = metrics.directions(rng.standard_normal((6, 6, 32)), np.zeros(32))
    at = np.stack(np.mgrid[:6, :6], axis=-1).astype(float)
    after = np.roll(before, (0, 3), axis=(0, 1))
    assert metrics.found_again(before, before, at) == 1
    assert metrics.found_again(before, after, at) == 0
    at[..., 1] = (at[..., 1] + 3) % 6
    assert metrics.found_again(before, after, at) == 1
    assert metrics.found_again(before, after, at + 0.9) == 1  # within a patch
    assert metrics.found_again(before, after, at + 1.1) == 0


@pytest.mark.parametrize("case", ["means", "ratios", "some say nothing"])
def test_a_ratio_is_that_of_the_sums_and_lies_in_its_interval(case):
    rng = np.random.default_rng(3)
    pairs = [(float(x), 1.0) for x in rng.uniform(0, 1, 12)]
    if case == "ratios":
        pairs = [(float(x), float(y)) for x, y in rng.uniform(0, 1, (12, 2))]
    elif case == "some say nothing":
        pairs[2] = pairs[7] = metrics.NOTHING
        pairs[4] = (0.0, 0.0)
    value, low, high, images = metrics.bootstrap_ratio(pairs, draws=300, seed=5, ends=EVERYWHERE)
    kept = [pair for pair in pairs if not math.isnan(pair[0])]
    assert images == len(kept)
    assert value == pytest.approx(sum(p for p, _ in kept) / sum(w for _, w in kept))
    assert low < value < high


@pytest.mark.parametrize("count", [4, 12])
def test_intervals_of_few_means_are_students(count):
    values = np.random.default_rng(count).normal(0.5, 0.1, count // 2)
    values = np.concatenate([values, 1 - values])  # even, so that no skewness is to be corrected
    _, low, high, _ = metrics.bootstrap_ratio([(v, 1.0) for v in values], draws=20_000, seed=0, ends=EVERYWHERE)
    exact = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((exact.low, exact.high), abs=0.03 * (exact.high - exact.low))


def test_intervals_of_ratios_hold_the_truth_as_often_as_they_say():
    """Of 8 images: parts and wholes of a ratio of 0.4; percentiles of the draws hold it in 86 of 100."""
    rng, held = np.random.default_rng(0), 0
    for seed in range(600):
        wholes = rng.gamma(4, 0.25, 8)
        parts = wholes * rng.beta(4, 6, 8)
        _, low, high, _ = metrics.bootstrap_ratio(
            list(zip(parts, wholes, strict=True)), draws=300, seed=seed, ends=(0, 1)
        )
        held += low <= 0.4 <= high
    assert 0.92 <= held / 600 <= 0.99


def test_ends_are_those_of_the_measure():
    _, low, high, _ = metrics.bootstrap_ratio([(0.0, 1.0), (1.0, 1.0)], draws=100, seed=0, ends=(0.0, 1.0))
    assert (low, high) == (0, 1)


def test_intervals_of_means_are_near_those_of_the_normal_law():
    values = np.random.default_rng(4).normal(3, 2, 400)
    value, low, high, _ = metrics.bootstrap_ratio(
        [(v, 1.0) for v in values.tolist()], draws=2000, seed=0, ends=EVERYWHERE
    )
    half = 1.96 * values.std() / np.sqrt(400)
    assert (low, high) == pytest.approx((value - half, value + half), abs=0.1 * half)


def test_few_pictures_say_so():
    assert metrics.bootstrap_ratio([metrics.NOTHING], draws=10, seed=0, ends=EVERYWHERE) is None
    assert metrics.bootstrap_ratio([(0.0, 0.0), (0.0, 0.0)], draws=10, seed=0, ends=EVERYWHERE) is None
    value, low, high, images = metrics.bootstrap_ratio([(1.0, 2.0)], draws=10, seed=0, ends=EVERYWHERE)
    assert (value, images) == (0.5, 1)
    assert math.isnan(low)
    assert math.isnan(high)
